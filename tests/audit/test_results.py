"""Model files -> tables."""

from __future__ import annotations

import io
import math
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from rich.console import Console
from support.frames import make_frame, make_output
from support.sweeps import flip

import hpmkd
from hpmkd.analysis.costs import costs
from hpmkd.audit import measure_tables, results, terminal
from hpmkd.audit.findings import headers
from hpmkd.audit.result_row import result_row
from hpmkd.errors import UsageError
from hpmkd.plan.architecture import parameter_count
from hpmkd.store.output_dir import OutputDir
from hpmkd.store.result_file import check, commit
from hpmkd.store.search_file import SearchResult
from hpmkd.store.sidecar import Header


@pytest.fixture
def output(tmp_path: Path) -> OutputDir:
    """A teacher at 80 %, three Direct students, one AT student and one that is no longer planned."""
    out = OutputDir(tmp_path)
    accuracies = {"teacher_D": 80.0, "student_D_AT_run1": 76.0, "student_D_Old_run1": 10.0}
    accuracies |= {
        f"student_D_Direct_run{run}": value for run, value in zip((1, 2, 3), (70.0, 72.0, 71.0), strict=True)
    }
    for number, (key, accuracy) in enumerate(accuracies.items()):
        role, dataset, *rest = key.split("_")
        meta = {"role": role, "dataset": dataset, "baseline": rest[0] if rest else None, "epochs": 2}
        meta["run"] = int(rest[1][3:]) if rest else None
        meta["parents"] = {"teacher_D": "", "search_D": ""} if "AT" in key else {}
        commit(out.models / f"{key}.pt", {"w": torch.zeros(2)}, accuracy, 10.0 + number, meta)
    (out.models / "student_D_Direct_run4.pt").write_bytes(b"torn")
    commit(out.models / "search_D.json", SearchResult({}), 60.0, 5.0, {"role": "search", "parents": {"teacher_D": ""}})
    return out


PLANNED = ["teacher_D", "student_D_AT_run1", *(f"student_D_Direct_run{run}" for run in (1, 2, 3))]


def test_one_row_per_valid_file(output: OutputDir) -> None:
    frame = results.collect(output, PLANNED)
    assert len(frame) == 7
    assert frame.set_index("file").loc["student_D_Direct_run2.pt", "accuracy_pct"] == 72.0
    assert frame.loc[~frame["planned"], "file"].tolist() == ["search_D.json", "student_D_Old_run1.pt"]
    choice = frame.set_index("file").loc["search_D.json"]
    assert (choice["validation_accuracy_pct"], choice["train_seconds"]) == (60.0, 5.0)
    assert math.isnan(choice["accuracy_pct"])


@pytest.mark.parametrize(
    ("recipe", "expected"),
    [
        ({"fit.precision": "bf16"}, ["bf16", "torch"]),
        ({"fit.precision": "fp32", "fit.kernels": "compiled"}, ["fp32", "compiled"]),
        ({}, [None, None]),
        ({"fit.precision": 3, "fit.kernels": []}, [None, None]),
        ("bf16", [None, None]),
        (None, [None, None]),
    ],
)
def test_what_a_model_was_computed_in(recipe: Any, expected: list[str | None]) -> None:
    """So that tables of several sweeps can be told apart."""
    for role in ("student", "search", "logits"):
        row = result_row("student_D_AT_run1", Header("", 0, 70.0, 1.0, "", {"role": role, "recipe": recipe}), True)
        assert [row["precision"], row["kernels"]] == expected


def test_what_was_just_verified_is_not_read_again(output: OutputDir, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, known = results.collect(output, PLANNED), headers(output)
    del known["student_D_AT_run1"], known["student_D_Old_run1"]
    read: list[str] = []
    monkeypatch.setattr("hpmkd.audit.findings.check", lambda path: (read.append(path.stem), check(path))[1])
    pd.testing.assert_frame_equal(results.collect(output, PLANNED, known), whole)
    assert sorted(read) == ["student_D_AT_run1", "student_D_Direct_run4", "student_D_Old_run1"]


def test_summary_against_hand_counts(output: OutputDir) -> None:
    table = results.summary(results.collect(output, PLANNED)).set_index("baseline")
    assert list(table.index) == ["teacher", "AT", "Direct"]
    direct = table.loc["Direct"]
    assert (direct["runs"], direct["mean_pct"], direct["sd_pct"]) == (3, 71.0, pytest.approx(1.0))
    assert direct["retention_pct"] == pytest.approx(100 * 71 / 80)
    assert direct["train_seconds"] == pytest.approx((13 + 14 + 15) / 3)
    assert math.isnan(table.loc["AT", "sd_pct"])
    assert direct["total_seconds"] == pytest.approx(13 + 14 + 15)
    assert table.loc["AT", "total_seconds"] == pytest.approx(11 + 10 + 5)


def test_a_sum_without_a_parent_is_not_known(output: OutputDir) -> None:
    """A sum of the others would be taken for the whole."""
    whole = results.load_results(output.root)
    assert whole["ancestor_seconds"].notna().all()
    flip(output.models / "teacher_D.pt")
    left = results.load_results(output.root).set_index("file")
    assert left["ancestor_seconds"].isna().to_dict() == {name: "AT" in name or "search" in name for name in left.index}
    table = results.summary(left.reset_index()).set_index("baseline")
    assert math.isnan(table.loc["AT", "total_seconds"])
    assert table.loc["Direct", "total_seconds"] > 0


def test_a_logits_cache_may_go(output: OutputDir) -> None:
    """Its students are trained; that its time is not known is no reason not to know theirs."""
    meta: dict[str, Any] = {"role": "student", "dataset": "D", "baseline": "TraditionalKD", "run": 1}
    meta["parents"] = {"teacher_D": "", "logits_teacher_D": ""}
    commit(output.models / "student_D_TraditionalKD_run1.pt", {"w": torch.zeros(2)}, 70.0, 3.0, meta)
    frame = results.load_results(output.root)
    row = frame.set_index("file").loc["student_D_TraditionalKD_run1.pt"]
    assert row["ancestor_seconds"] == 10.0
    assert results.summary(frame).set_index("baseline").loc["TraditionalKD", "total_seconds"] == 13.0


def test_written_files_agree(output: OutputDir) -> None:
    frame = results.collect(output, PLANNED)
    results.write(frame, output)
    csv, parquet = pd.read_csv(output.root / "results.csv"), pd.read_parquet(output.root / "results.parquet")
    pd.testing.assert_frame_equal(parquet, frame)
    assert csv["accuracy_pct"].dropna().tolist() == frame["accuracy_pct"].dropna().tolist()
    # Nothing but the file is needed to find every number of the table again.
    pd.testing.assert_frame_equal(results.summary(parquet), results.summary(frame))
    pd.testing.assert_frame_equal(results.summary(csv), results.summary(frame), check_dtype=False)


def test_one_call_from_folder_to_frame(output: OutputDir) -> None:
    frame = hpmkd.load_results(str(output.root))
    assert frame["planned"].all()
    assert len(frame) == 7
    with pytest.raises(UsageError, match="no such folder"):
        hpmkd.load_results(output.root / "nowhere")


def test_with_a_plan_it_says_what_belongs(tmp_path: Path, cache_dir: Path) -> None:
    choose = {"baselines": ["Direct", "HPM-KD"]}
    output, _, jobs = make_output(tmp_path, cache_dir, lambda job: 90.0, **choose)
    commit(output.models / "student_Digits_Old_run1.pt", {}, 10.0, 1.0, {"role": "student"})
    frame = hpmkd.load_results(tmp_path).set_index("file")
    assert frame["planned"].sum() == len(jobs)
    assert not frame.loc["student_Digits_Old_run1.pt", "planned"]
    for job in jobs.values():
        row = frame.loc[job.file_name]
        assert row["parents"].split() == [parent.key for parent in job.parents]
        assert job.role == "search" or row["parameters"] == parameter_count(job.model)
        others = {one.key: one for one in job.ancestors()}
        seconds = sum(5.0 if one.role == "search" else 10.0 for one in others.values())
        assert row["ancestor_seconds"] == seconds


def test_tables_of_logits_are_a_cost_and_have_no_accuracy(tmp_path: Path, cache_dir: Path) -> None:
    choose = {"baselines": ["Direct", "TraditionalKD"], "kd__logits": "cached"}
    make_output(tmp_path, cache_dir, lambda job: 90.0, **choose)
    frame = hpmkd.load_results(tmp_path).set_index("file")
    table = frame.loc["logits_teacher_Digits.npy"]
    assert (table["role"], table["validation_accuracy_pct"], table["train_seconds"]) == ("logits", 90.0, 5.0)
    assert math.isnan(table["accuracy_pct"])
    assert frame.loc["student_Digits_TraditionalKD_run1.pt", "ancestor_seconds"] == 15.0
    seconds = costs(frame.reset_index()).set_index(["baseline", "role"])["seconds"]
    assert seconds["TraditionalKD"].to_dict() == {"teacher": 10.0, "logits": 5.0, "student": 10.0}


def test_a_plan_that_cannot_be_read_is_said(tmp_path: Path, cache_dir: Path) -> None:
    output, _, _ = make_output(tmp_path, cache_dir, lambda job: None, baselines=["Direct"])
    output.datasets_file.write_text("{")
    with pytest.raises(UsageError, match=r"datasets\.json: cannot be read"):
        hpmkd.load_results(tmp_path)
    output.datasets_file.unlink()
    assert hpmkd.load_results(tmp_path).empty


@pytest.mark.parametrize("answers", [["logits_teacher_D_run1"], [], None, "logits_teacher_D_run1", [3]])
def test_answers_that_were_looked_up_are_a_cost(output: OutputDir, answers: Any) -> None:
    """A student with a living teacher has them in its own time."""
    meta: dict[str, Any] = {"role": "student", "dataset": "D", "baseline": "DKD", "run": 1, "answers": answers}
    meta |= {"parents": {"teacher_D": ""}}
    commit(output.models / "student_D_DKD_run1.pt", {"w": torch.zeros(2)}, 70.0, 3.0, meta)
    made = {"role": "logits", "dataset": "D", "run": 1, "parents": {"teacher_D": ""}, "fingerprint": "f"}
    commit(output.models / "logits_teacher_D_run1.npy", torch.zeros(2, 2, 2), 70.0, 4.0, made)
    frame = results.load_results(output.root)
    known = answers == ["logits_teacher_D_run1"]
    row = frame.set_index("file").loc["student_D_DKD_run1.pt"]
    assert row["ancestor_seconds"] == (14.0 if known else 10.0)
    assert results.summary(frame).set_index("baseline").loc["DKD", "total_seconds"] == (17.0 if known else 13.0)


def test_table_follows_the_order_of_the_config(output: OutputDir) -> None:
    (table,) = terminal.tables(results.collect(output, PLANNED), ["Direct", "AT"])
    text = io.StringIO()
    Console(file=text, width=100).print(table)
    lines = [line.split("│")[1].strip() for line in text.getvalue().splitlines() if line.startswith("│")]
    assert lines == ["teacher", "Direct", "AT"]


def test_no_models_no_tables(tmp_path: Path) -> None:
    frame = results.collect(OutputDir(tmp_path), [])
    assert frame.empty
    assert terminal.tables(frame, ["Direct"]) == []
    results.write(frame, OutputDir(tmp_path))
    assert (tmp_path / "results.csv").read_text().startswith("file,dataset")


def test_a_teacher_under_two_names_counts_once() -> None:
    """As the teachers that noSharedMemory trains for itself: the same weights, so the same network."""
    frame = make_frame({"Direct": [70.0, 72.0]}, teacher=80.0)
    rows = [frame.iloc[:1].assign(file=f"teacher_D_{name}.pt") for name in ("2", "HPM-KD-noSharedMemory_2")]
    second = [row.assign(accuracy_pct=84.0, weights_sha256="one network") for row in rows]
    table = results.summary(pd.concat([frame, *second], ignore_index=True)).set_index("baseline")
    assert table.loc["teacher", ["runs", "mean_pct"]].tolist() == [2, 82.0]
    assert table.loc["teacher", "train_seconds"] == 10
    assert table.loc["teacher", "total_seconds"] == 30, "all of them were trained"
    unknown = pd.concat([frame, *(row.assign(weights_sha256=None) for row in rows)], ignore_index=True)
    assert results.summary(unknown).set_index("baseline").loc["teacher", "runs"] == 3


def test_measures_count_it_once() -> None:
    frame = make_frame({"Direct": [70.0]}, teacher=80.0).assign(nll=1.0)
    twin = frame.iloc[:1].assign(file="teacher_D_2.pt")
    table = measure_tables.summary(pd.concat([frame, twin], ignore_index=True)).set_index("baseline")
    assert table["runs"].to_dict() == {"teacher": 1, "Direct": 1}
