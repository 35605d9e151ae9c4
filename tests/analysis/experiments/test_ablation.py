"""The ablation: signs, Holm's families, weights that must be equal, and sentences that follow the numbers."""

from __future__ import annotations

import math
import re
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy import stats as scipy_stats
from statsmodels.stats.multitest import multipletests
from support.arms import ALL_OFF, FULL, SINGLE, factorial, label
from support.builders import FULL as BOTH
from support.frames import compose_report, make_frame, make_output

from hpmkd.analysis.experiments import ablation
from hpmkd.analysis.experiments.arms import LEARNING
from hpmkd.analysis.experiments.registry import sections_of
from hpmkd.analysis.plots.style import render
from hpmkd.analysis.report.content import gather
from hpmkd.analysis.report.write import html, markdown
from hpmkd.analysis.section import Section
from hpmkd.audit.sweep_dir import Saved
from hpmkd.plan.work import training_cost
from hpmkd.store.output_dir import OutputDir

MAIN = {"chain": 1.0, "multi_teacher": 0.0, "meta_temperature": -1.0, "adaptive": 0.3}
ENGINE = ["HPM-KD-noParallel", "HPM-KD-noSharedMemory"]
SAVED = Saved(OutputDir(Path("x")), None, ())


def frame_of(main: dict[str, float] = MAIN, noise: float = 0.1, seed: int = 0) -> pd.DataFrame:
    """The arms of the mode `ablation`, as a sweep without faults has them."""
    scores = factorial(main, {}, noise=noise, seed=seed)
    arms = {name: scores[name] for name in [FULL, *SINGLE, ALL_OFF]}
    arms |= dict.fromkeys(ENGINE, scores[FULL]) | {"TraditionalKD": scores[ALL_OFF]}
    frame = make_frame({**arms, "Direct": [77.0, 78.5, 77.5, 78.0, 78.2]})
    same = {**dict.fromkeys(ENGINE, FULL), ALL_OFF: "TraditionalKD"}
    names = frame["baseline"].map(lambda name: same.get(name, name)).astype(str) + frame["run"].astype(str)
    return frame.assign(weights_sha256=names)


def section_of(frame: pd.DataFrame) -> Section:
    found = ablation.section(frame, [], SAVED)
    assert found is not None
    return found


def rows_of(section: Section) -> pd.DataFrame:
    return section.tables[0].frame.set_index("component")


def test_what_a_component_buys_is_full_minus_without() -> None:
    frame = frame_of()
    rows = rows_of(section_of(frame))
    wide = frame[frame["role"] == "student"].pivot(index="run", columns="baseline", values="accuracy_pct")
    p = []
    for name in LEARNING:
        change = (wide[FULL] - wide[label([name])]).to_numpy(dtype=float)
        assert rows.loc[name, "difference"] == pytest.approx(change.mean())
        assert rows.loc[name, "difference"] == pytest.approx(MAIN[name], abs=0.25)
        test = scipy_stats.ttest_1samp(change, 0.0)
        low, high = test.confidence_interval(0.95)
        assert rows.loc[name, ["low", "high"]].tolist() == pytest.approx([low, high])
        p.append(test.pvalue)
    assert rows.loc[list(LEARNING), "p_holm"].tolist() == pytest.approx(multipletests(p, method="holm")[1].tolist())
    assert rows.loc["together", "p_holm"] == rows.loc["together", "p"], "a question of its own"
    found = {name: text.partition(":")[0] for name, text in rows["finding"].items()}
    assert found == {
        "chain": "pays", "multi_teacher": "not shown", "meta_temperature": "harms", "adaptive": "pays",
        "together": "pays", "Direct": "pays",
    }  # fmt: skip


def test_sentences_follow_the_numbers() -> None:
    first = " ".join(section_of(frame_of()).sentences)
    assert "shown to pay: chain and adaptive; shown to harm: meta temperature; not shown: 1 of 4" in first
    assert re.search(r"Chain pays: \+\d", first)
    other = " ".join(section_of(frame_of({"chain": -1.0, "multi_teacher": 1.0})).sentences)
    assert "shown to pay: multi-teacher; shown to harm: chain" in other
    assert re.search(r"Chain harms: -\d", other)
    none = section_of(frame_of({}, noise=0.3, seed=1)).sentences
    assert none[0] == "No component of HPM-KD is shown to pay or to harm (4 components, 5 runs)."
    assert "cannot be told from what they buy together" in " ".join(none)


def test_parts_that_overlap_add_up_to_more_than_the_whole() -> None:
    """Each of two is enough: without one nothing is lost, without both everything."""
    scores = factorial({"chain": 1.0, "adaptive": 1.0}, {("chain", "adaptive"): -1.0}, noise=0.02)
    said = " ".join(section_of(make_frame({name: scores[name] for name in [FULL, *SINGLE, ALL_OFF]})).sentences)
    assert re.search(r"add up to [+-]0\.0\d points, which is shown to be less than what they buy together", said)


def test_noise_alone_gives_next_to_no_finding() -> None:
    found = sum(
        rows_of(section_of(frame_of({}, noise=0.3, seed=seed))).loc[list(LEARNING), "p_holm"].lt(0.05).any()
        for seed in range(15)
    )
    assert found <= 2


def test_equal_weights_are_said_and_unequal_ones_are_an_error() -> None:
    frame = frame_of()
    section = section_of(frame)
    said = " ".join(section.sentences)
    assert "Without the parallel pipeline (HPM-KD-noParallel) the weights are the same in 5 of 5 runs." in said
    assert f"With all four off ({ALL_OFF}) the weights are those of TraditionalKD, bit for bit, in 5 of 5 runs." in said
    assert section.errors == ()
    broken = frame["file"].isin([f"student_D_{ENGINE[1]}_run2.pt", f"student_D_{ALL_OFF}_run4.pt"])
    section = section_of(frame.assign(weights_sha256=frame["weights_sha256"].where(~broken, "other")))
    assert len(section.errors) == 2
    assert "HPM-KD-noSharedMemory has other weights than HPM-KD in 1 of 5 runs" in section.errors[0]
    assert "TraditionalKD in 1 of 5 runs" in section.errors[1]
    assert all("an error of the program" in line for line in section.errors)
    assert "Without the shared memory" not in " ".join(section.sentences)


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [("device", "cuda", "GPU"), ("torch", "3", "2 versions of torch"), ("hardware", "Another", "2 machines")],
)
def test_where_weights_may_differ_it_is_no_error(column: str, value: str, reason: str) -> None:
    """A teacher that came from another machine is reason enough."""
    frame = frame_of()
    frame.loc[frame["baseline"] == ENGINE[0], "weights_sha256"] = "other"
    frame.loc[frame["role"] == "teacher", column] = value
    (line,) = section_of(frame).errors
    assert "need not be equal" in line
    assert reason in line


def test_a_chain_without_assistants_is_no_finding() -> None:
    frame = frame_of({"multi_teacher": 1.0})
    chain = frame["baseline"] == label(["chain"])
    full = {row["run"]: row for row in frame[frame["baseline"] == FULL].to_dict("records")}
    for column in ("accuracy_pct", "weights_sha256"):
        frame.loc[chain, column] = [full[run][column] for run in frame.loc[chain, "run"]]
    section = section_of(frame)
    row = rows_of(section).loc["chain"]
    assert row["finding"] == "the same models with and without it"
    assert math.isnan(row["difference"])
    assert "(3 components" in section.sentences[0] or "of 3" in section.sentences[0]
    assert any("Nothing is said about chain" in line and "no assistant" in line for line in section.sentences)


def test_one_run_shows_nothing() -> None:
    frame = frame_of()
    section = section_of(frame[frame["run"].isna() | (frame["run"] == 1)])
    assert section.sentences[0].startswith("One run per arm shows nothing")
    assert not any("pays" in line for line in section.sentences)


@pytest.mark.parametrize(
    ("kept", "there"),
    [
        ([FULL, SINGLE[2]], True),
        ([FULL, ENGINE[0]], True),
        ([FULL, "TraditionalKD"], False),
        ([SINGLE[0], SINGLE[1]], False),
        (["HPM-KD-chain2", SINGLE[0]], False),
        (["HPM-KD-chain2", SINGLE[0], "HPM-KD-noMetaTemp-chain2"], True),
    ],
)
def test_it_is_there_because_of_the_models(kept: list[str], there: bool) -> None:
    """A grid of lengths of the chain is no ablation of each length."""
    frame = make_frame({name: [70.0, 71.5, 72.0] for name in kept})
    assert (ablation.section(frame, [], SAVED) is not None) == there


def test_what_it_costs_against_sums_by_hand(tmp_path: Path, cache_dir: Path) -> None:
    """With live teachers: the assistant, its forward passes for each student, and its seconds."""
    names = [FULL, SINGLE[0], *ENGINE]
    _, _, jobs = make_output(
        tmp_path,
        cache_dir,
        lambda job: 90.0 + (job.run or 0) * 0.5 + (job.baseline == FULL),
        baselines=names,
        runs=2,
        **BOTH,
    )
    report = gather(tmp_path)
    (row,) = [row for row in _table(report.table("ablation")) if row["component"] == "chain"]
    assistant = jobs["assistant_Digits_HPM-KD_1"]
    pairs = [(jobs[f"student_Digits_{name}_run{run}"] for name in names[:2]) for run in (1, 2)]
    images = assistant.data.train_images or 0
    expected = training_cost(assistant) + sum(training_cost(one) - training_cost(other) for one, other in pairs)
    assert row["multiply_adds"] == pytest.approx(expected * images)
    assert row["seconds"] == pytest.approx(10.0)
    clock = {row["baseline"]: row for row in _table(report.table("ablation-clock"))}
    # Each network took 10 s, each search 5 s: two teachers, assistant, search, two students.
    assert clock[FULL]["seconds"] == 55.0
    assert clock[FULL]["least_seconds"] == 30.0  # teacher, assistant, student
    assert clock[ENGINE[0]]["least_seconds"] == 40.0  # teacher, assistant, one student after the other
    assert (clock[ENGINE[1]]["own"], clock[ENGINE[1]]["own_seconds"]) == (3, 25.0)  # but for the first teacher
    assert clock[FULL]["recalled"] == 0


def _table(table: object) -> list[dict[str, object]]:
    assert table is not None
    return [dict(row) for row in table.frame.to_dict("records")]  # type: ignore[attr-defined]


def test_recalled_models_and_lost_parents() -> None:
    frame = frame_of()
    frame.loc[frame["role"] == "teacher", "recalled"] = True
    clock = section_of(frame).tables[1].frame.set_index("baseline")
    assert clock.loc[FULL, ["recalled", "recalled_seconds"]].tolist() == [1, 10.0]
    clock = section_of(frame[frame["role"] != "teacher"]).tables[1].frame.set_index("baseline")
    assert math.isnan(clock.loc[FULL, "seconds"]), "a sum of the rest would be taken for the whole"
    assert math.isnan(clock.loc[FULL, "least_seconds"])


def test_several_data_sets_are_named() -> None:
    other = frame_of({"chain": -1.0}).assign(dataset="E")
    other["file"] = other["file"].str.replace("_D", "_E", regex=False)
    other[["ancestors", "parents"]] = other[["ancestors", "parents"]].replace("teacher_D", "teacher_E")
    frame = pd.concat([frame_of(), other], ignore_index=True)
    section = section_of(frame)
    assert {line.partition(":")[0] for line in section.sentences} == {"D, HPM-KD", "E, HPM-KD"}
    assert list(section.tables[0].columns)[:2] == ["place", "method"]
    assert b"E: HPM-KD" in render(section.drawings[0].figure, "svg")


SCORES = st.one_of(st.none(), st.sampled_from([0.0, math.nan, 90.0]), st.integers(0, 100).map(float))
NAMES = [FULL, *SINGLE, ALL_OFF, *ENGINE, "Direct", "TraditionalKD", label(["chain", "adaptive"]), "HPM-KD-M4",
         "HPM-KD-noChain-M4", "HPM-KD-noAdaptive-M4", "HPM-KD-noChain-noAdaptive-M4"]  # fmt: skip


@st.composite
def frames(draw: st.DrawFn) -> pd.DataFrame:
    """Any arms, runs and numbers; teachers, seconds and weights that are known or not."""
    scores = draw(st.dictionaries(st.sampled_from(NAMES), st.lists(SCORES, min_size=1, max_size=4), min_size=2))
    frame = make_frame(scores)
    keep = draw(st.lists(st.booleans(), min_size=len(frame), max_size=len(frame)))
    frame["train_seconds"] = np.where(keep, 10.0, math.nan)
    weights = draw(st.sampled_from([None, "same", "own"]))
    frame["weights_sha256"] = frame["file"] if weights == "own" else weights
    return frame if draw(st.booleans()) else frame[frame["role"] != "teacher"]


@given(frames())
@settings(max_examples=25, suppress_health_check=list(HealthCheck))
def test_any_arms_give_numbers_or_dashes(frame: pd.DataFrame) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for section in sections_of(frame, [], SAVED):
            assert not re.search(r"\b(nan|inf|None)\b|<NA>", " ".join([*section.sentences, *section.errors]))
            for table in section.tables:
                assert not {"nan", "inf", "None", "<NA>"} & {cell for row in table.cells for cell in row}


@given(frames())
@settings(max_examples=4, suppress_health_check=list(HealthCheck))
def test_any_arms_give_a_page(tmp_path_factory: pytest.TempPathFactory, frame: pd.DataFrame) -> None:
    report = compose_report(frame, tmp_path_factory.mktemp("x"))
    page, text = html(report), markdown(report)
    assert ("Ablation of HPM-KD" in page) == ("## Ablation of HPM-KD" in text)
    assert not re.search(r">(nan|inf|None|<NA>)<", page)
    assert not re.search(r"\| (nan|inf|None|<NA>) \|", text)
