"""The measures of a sweep's networks: bound to weights, computed once, in the results."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from support.frames import make_output
from support.predictions import made_up, put
from support.sweeps import flip

import hpmkd
from hpmkd.audit import measured, measures, results
from hpmkd.audit.findings import headers
from hpmkd.audit.lineage import reference_teachers
from hpmkd.audit.measure_tables import summary
from hpmkd.plan.job import Job
from hpmkd.store import predictions
from hpmkd.store.output_dir import OutputDir

TEACHER, DIRECT, KD = "teacher_Digits", "student_Digits_Direct_run1", "student_Digits_TraditionalKD_run1"
BASELINES = ["Direct", "TraditionalKD", "KD-Ensemble"]


@pytest.fixture
def output(tmp_path: Path, cache_dir: Path) -> OutputDir:
    """Two teachers and three students, all with answers."""
    made, _, jobs = make_output(tmp_path / "out", cache_dir, _accuracy, baselines=BASELINES, runs=1)
    for number, key in enumerate(jobs):
        put(made, key, made_up(number + 1))
    return made


def _accuracy(job: Job) -> float:
    return 50.0 + len(job.key) / 10


def test_a_row_has_the_measures_of_its_answers(output: OutputDir) -> None:
    frame = hpmkd.load_results(output.root).set_index("file")
    own, teacher = (
        predictions.read(output.predictions_file(key), headers(output)[key].weights) for key in (KD, TEACHER)
    )
    assert own is not None
    assert teacher is not None
    row, log_p = frame.loc[f"{KD}.pt"], measures.log_softmax(own.logits)
    counts = measures.confusion_matrix(own.labels, own.predicted, 10)
    assert row["macro_f1_pct"] == 100 * measures.macro_f1(counts)
    assert row["balanced_accuracy_pct"] == 100 * measures.balanced_accuracy(counts)
    assert row["worst_recall_pct"] == 100 * measures.recalls(counts).min()
    assert row["nll"] == measures.negative_log_likelihood(log_p, own.labels)
    assert row["brier"] == measures.brier_score(log_p, own.labels)
    assert row["temperature"] == 2.0
    bins = [measures.reliability(measures.log_softmax(own.logits, t), own.labels, own.predicted) for t in (1, 2)]
    assert [row["ece_pct"], row["ece_scaled_pct"]] == [100 * measures.calibration_error(one) for one in bins]
    assert row["top5_pct"] == 100 * measures.top_accuracy(own.logits, own.labels, own.predicted)
    assert row["agreement_with"] == TEACHER
    assert row["agreement_pct"] == 100 * measures.agreement(own.predicted, teacher.predicted)
    wrong = teacher.predicted != teacher.labels
    assert row["agreement_on_errors_pct"] == pytest.approx(100 * (own.predicted == teacher.predicted)[wrong].mean())
    assert row["teacher_kl"] == measures.mean_divergence(measures.log_softmax(teacher.logits), log_p)


def test_with_whom_each_is_compared(output: OutputDir) -> None:
    """A student with its own first teacher; one without and another teacher with the data set's first."""
    found = headers(output)
    assert reference_teachers(found) == dict.fromkeys(set(found) - {TEACHER}, TEACHER)
    frame = hpmkd.load_results(output.root).set_index("file")
    assert frame.loc[f"{TEACHER}.pt", "agreement_with"] is None
    assert math.isnan(frame.loc[f"{TEACHER}.pt", "agreement_pct"])
    assert frame.loc[f"{TEACHER}_2.pt", "agreement_with"] == TEACHER


def test_conditions_have_teachers_of_their_own(output: OutputDir) -> None:
    found = headers(output)
    for key in (TEACHER, DIRECT):
        found[key].metadata["condition"] = "noisy"
    assert reference_teachers(found)[DIRECT] == TEACHER
    del found[KD].metadata["parents"]
    assert reference_teachers(found)[KD] == f"{TEACHER}_2", "of the same condition"


def test_direct_in_a_pair_is_compared_with_the_first_teacher_of_its_pair(tmp_path: Path, cache_dir: Path) -> None:
    """Two pairs share the teacher of their network, a third has another one."""
    pairs = {
        "big": {"teacher": {"arch": "resnet20"}},
        "small": {"teacher": {"arch": "resnet20"}, "student": {"arch": "lenet5"}},
        "tiny": {"teacher": {"arch": "resnet8"}},
    }
    made, _, _ = make_output(tmp_path / "out", cache_dir, _accuracy, baselines=BASELINES[:2], runs=1, pairs=pairs)
    found = reference_teachers(headers(made))
    assert {pair: found[f"student_Digits+{pair}_Direct_run1"] for pair in pairs} == {
        "big": "teacher_Digits+resnet20",
        "small": "teacher_Digits+resnet20",
        "tiny": "teacher_Digits+resnet8",
    }


def test_the_arrays(output: OutputDir) -> None:
    _, frame = results.collect_measured(output, None)
    row = frame.set_index("key").loc[KD]
    own = predictions.read(output.predictions_file(KD), headers(output)[KD].weights)
    assert own is not None
    counts = row["confusion"].reshape(10, 10)
    assert counts.sum() == len(own)
    assert counts.trace() == round(own.accuracy_pct / 100 * len(own))
    np.testing.assert_array_equal(row["recall"], measures.recalls(counts))
    assert row["reliability"].reshape(3, 15)[0].sum() == len(own)
    assert row["reliability_scaled"].reshape(3, 15)[1].sum() == counts.trace()


def computing(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The keys of all rows that are computed from now on."""
    seen: list[str] = []
    inner: Callable[..., Any] = measured._Reader.row

    def watched(self: Any, marks: dict[str, Any]) -> Any:
        seen.append(marks["key"])
        return inner(self, marks)

    monkeypatch.setattr(measured._Reader, "row", watched)
    return seen


def test_a_second_look_computes_only_what_changed(output: OutputDir, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = computing(monkeypatch)
    frame, found = results.collect_measured(output, None)
    assert len(seen) == len(found) == 5
    results.write(frame, output, found)
    seen.clear()
    again = results.collect_measured(output, None)
    assert seen == []
    pd.testing.assert_frame_equal(again[0], frame)
    pd.testing.assert_frame_equal(again[1], found)
    put(output, KD, made_up(77))
    assert results.collect(output, None)["nll"].ne(frame["nll"]).sum() == 1
    assert seen == [KD]
    seen.clear()
    put(output, TEACHER, made_up(78))
    results.collect(output, None)
    assert set(seen) == {one.stem for one in output.model_files()}, "all are compared with the teacher"


@pytest.mark.parametrize("what", ["cut", "text", "other columns", "old version"])
def test_kept_rows_that_cannot_be_used_are_computed_again(
    output: OutputDir, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    frame, found = results.collect_measured(output, None)
    results.write(frame, output, found)
    path = output.measures_file
    if what == "cut":
        path.write_bytes(path.read_bytes()[:100])
    elif what == "text":
        path.write_text("no parquet")
    elif what == "other columns":
        found.drop(columns="key").to_parquet(path)
    else:
        monkeypatch.setattr(measured, "_VERSION", 2)
    seen = computing(monkeypatch)
    pd.testing.assert_frame_equal(results.collect(output, None), frame)
    assert len(seen) == 5


def test_answers_of_other_weights_are_never_used(output: OutputDir) -> None:
    """A model that was deleted and made again with other weights; and one whose file is gone."""
    from hpmkd.store.result_file import commit, load

    results.write(*_with_measures(output))
    path = output.models / f"{KD}.pt"
    header, state = load(path)
    commit(path, {name: value + 1 for name, value in state.items()}, 50.0, 1.0, header.metadata)
    frame = results.collect(output, None).set_index("file")
    assert math.isnan(frame.loc[path.name, "nll"])
    assert frame["nll"].isna().sum() == 1
    path.unlink()
    assert path.name not in set(results.collect(output, None)["file"])


def _with_measures(output: OutputDir) -> tuple[pd.DataFrame, OutputDir, pd.DataFrame]:
    frame, found = results.collect_measured(output, None)
    return frame, output, found


def test_damaged_answers_are_none(output: OutputDir) -> None:
    flip(output.predictions_file(KD))
    flip(output.predictions_file(TEACHER))
    frame = results.collect(output, None).set_index("file")
    assert frame["nll"].isna().sum() == 2
    assert frame["agreement_pct"].isna().all(), "the teacher's are not known"
    assert frame.loc[f"{DIRECT}.pt", "nll"] > 0


def test_answers_to_other_images_are_not_compared(output: OutputDir) -> None:
    put(output, KD, made_up(9, images=150))
    row = results.collect(output, None).set_index("file").loc[f"{KD}.pt"]
    assert row["nll"] > 0
    assert math.isnan(row["agreement_pct"])


def test_without_a_temperature_there_is_no_scaled_error(output: OutputDir) -> None:
    put(output, KD, made_up(9, temperature=None))
    row = results.collect(output, None).set_index("file").loc[f"{KD}.pt"]
    assert row["ece_pct"] > 0
    assert math.isnan(row["temperature"])
    assert math.isnan(row["ece_scaled_pct"])


def test_without_answers_the_columns_are_empty(tmp_path: Path, cache_dir: Path) -> None:
    output, _, _ = make_output(tmp_path / "out", cache_dir, _accuracy, baselines=["Direct"], runs=1)
    frame, found = results.collect_measured(output, None)
    assert frame[list(measured.COLUMNS)].isna().all().all()
    assert found.empty
    results.write(frame, output, found)
    assert not output.measures_file.exists()
    pd.testing.assert_frame_equal(pd.read_parquet(output.root / "results.parquet"), frame)
    assert summary(frame).empty


def test_the_summary_has_means_per_baseline(output: OutputDir) -> None:
    frame = results.collect(output, None)
    table = summary(frame).set_index("baseline")
    assert set(table.index) == {"teacher", *BASELINES}
    teachers = frame[frame["role"] == "teacher"]
    assert table.loc["teacher", "runs"] == 2
    assert table.loc["teacher", "nll"] == pytest.approx(teachers["nll"].mean())
    assert table.loc["teacher", "agreement_pct"] == teachers["agreement_pct"].dropna().item()


def test_many_classes_keep_no_matrix(output: OutputDir) -> None:
    put(output, KD, made_up(9, images=600, classes=300))
    _, found = results.collect_measured(output, None)
    row = found.set_index("key").loc[KD]
    assert len(row["confusion"]) == 0
    assert len(row["recall"]) == 300
