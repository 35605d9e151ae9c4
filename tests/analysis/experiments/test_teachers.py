"""Numbers of teachers: what they buy, how the attention spreads, how often two of them differ."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from support.frames import compose_report
from support.varied import GAP, scored, sweep

from hpmkd.analysis.experiments import teachers
from hpmkd.analysis.experiments.attention import COLUMN
from hpmkd.analysis.report.write import html, markdown
from hpmkd.analysis.section import Section
from hpmkd.audit.sweep_dir import Saved
from hpmkd.store import predictions
from hpmkd.store.predictions import Predictions

GRID = {"baselines": ["HPM-KD", "HPM-KD-uniform", "KD-Ensemble", "KD-Budget"], "hpmkd.teachers": [1, 2, 4]}
Effect = Callable[[str, int], float]


def number(label: str) -> int:
    found = re.search(r"M(\d+)", label)
    return int(found[1]) if found else 1 if label.startswith("HPM-KD") else 2


def numbers(
    effect: Effect,
    runs: int = 5,
    noise: float = 0.1,
    seed: int = 0,
    vary: Any = GRID,
    root: Path = Path("nowhere"),
    **more: Any,
) -> tuple[pd.DataFrame, Saved]:
    score = scored(lambda label: effect(label, number(label)), noise=noise, seed=seed)
    return sweep(score, root, baselines=["Direct", "TraditionalKD"], vary=[vary], runs=runs, **GAP, **more)


def section_of(frame: pd.DataFrame, saved: Saved) -> Section:
    section = teachers.section(frame, [], saved)
    assert section is not None
    return section


def rows_of(section: Section, wanted: str, **where: Any) -> pd.DataFrame:
    table = next(one for one in (*section.tables, *section.folded) if one.name == wanted).frame
    for column, value in where.items():
        table = table[table[column] == value]
    return table


def test_what_a_teacher_buys_is_found() -> None:
    section = section_of(*numbers(lambda label, m: 0.5 * m * label.startswith("KD-Ensemble")))
    rows = rows_of(section, "teachers", name="KD-Ensemble").set_index("teachers")
    assert rows.loc[4, "low"] < 1.5 < rows.loc[4, "high"]
    assert rows.loc[4, "p_holm"] < 0.05
    assert math.isnan(rows.loc[1, "difference"])
    assert any(re.match(r"KD-Ensemble, 2 and 4 teachers against 1: better with 2", one) for one in section.sentences)
    plain = next(one for one in section.sentences if one.startswith("HPM-KD, 2 and 4 teachers against 1"))
    assert "no difference is shown" in plain
    beside = rows_of(section, "teachers-methods", name="HPM-KD", against="KD-Ensemble").set_index("teachers")
    assert beside["finding"].tolist()[-1] == "worse"
    assert any(one.startswith("HPM-KD against KD-Ensemble: worse with M = 1, 2 and 4") for one in section.sentences)


def test_noise_alone_gives_next_to_no_finding() -> None:
    found = []
    for seed in range(5):
        rows = rows_of(section_of(*numbers(lambda *_: 0.0, noise=0.5, seed=seed)), "teachers", name="HPM-KD")
        found.append(bool((rows["p_holm"] < 0.05).any()))
    assert sum(found) <= 1
    section = section_of(*numbers(lambda *_: 0.0, noise=0.5, seed=1))
    assert any("With equally many teachers no difference is shown between" in one for one in section.sentences)


def test_the_budget_has_no_teachers_of_its_own() -> None:
    section = section_of(*numbers(lambda *_: 0.0))
    assert any(
        one.startswith("KD-Budget, with what 2 and 4 teachers cost against what 1 costs") for one in section.sentences
    )
    rows = rows_of(section, "teachers").set_index(["name", "teachers"])["multiply_adds"]
    for m in (1, 2, 4):
        # Five students share HPM-KD's teachers in the budget, and five runs are what it is for.
        assert rows["KD-Budget", m] == pytest.approx(rows["HPM-KD", m], rel=0.1)
    assert rows["HPM-KD", 4] > rows["HPM-KD", 2] > rows["HPM-KD", 1]


def test_the_attention_counts_teachers() -> None:
    frame, saved = numbers(lambda *_: 0.0)
    students = frame["role"] == "student"
    frame.loc[students & (frame["baseline"] == "HPM-KD-M4"), COLUMN] = [math.log(3)] * 5
    frame.loc[students & (frame["baseline"] == "HPM-KD-M2"), "attention_entropy"] = [
        0.0,
        math.log(2),
        0.0,
        math.log(2),
        math.nan,
    ]
    section = section_of(frame, saved)
    rows = rows_of(section, "teachers-attention").set_index("teachers")
    assert rows.loc[4, "effective"] == pytest.approx(3)
    assert rows.loc[4, "sources"] == 4
    assert rows.loc[2, ["runs", "effective", "effective_low", "effective_high"]].tolist() == pytest.approx(
        [4, 1.5, 1, 2]
    )
    assert any(
        "with 4 teachers the attention weighs as evenly as 3.00 of 4 networks" in one for one in section.sentences
    )
    assert "attention" in [one.name for one in section.drawings]
    quiet = section_of(*numbers(lambda *_: 0.0))
    assert [one.name for one in quiet.tables] == ["teachers"]
    assert "attention" not in [one.name for one in quiet.drawings]


def answers(saved: Saved, stem: str, predicted: list[int], weights: str | None = None) -> None:
    labels = np.array([0, 1, 2, 0, 1])
    made = Predictions(labels, np.array(predicted), np.zeros((5, 3), np.float16))
    path = saved.output.predictions_file(stem)
    path.parent.mkdir(exist_ok=True, parents=True)
    predictions.write(path, made, stem, weights or f"weights of {stem}")


def test_how_often_teachers_differ(tmp_path: Path) -> None:
    frame, saved = numbers(lambda *_: 0.0, root=tmp_path)
    answers(saved, "teacher_Digits", [0, 1, 2, 0, 0])
    answers(saved, "teacher_Digits_2", [0, 1, 0, 0, 0])
    answers(saved, "teacher_Digits_3", [1, 1, 2, 0, 1])
    answers(saved, "teacher_Digits_4", [0, 0, 0, 0, 0], weights="of another model")
    section = section_of(frame, saved)
    rows = rows_of(section, "teachers-pairs").set_index(["first", "second"])
    assert len(rows) == 3, "the answers of other weights count for nothing"
    first = rows.loc[("teacher_Digits", "teacher_Digits_2")]
    assert first[["differ_pct", "both_wrong_pct", "errors_pct"]].tolist() == pytest.approx([20, 20, 30])
    assert rows.loc[("teacher_Digits_2", "teacher_Digits_3"), "differ_pct"] == pytest.approx(60)
    said = next(one for one in section.sentences if one.startswith("3 pairs of teachers"))
    assert "on 40.00 % of the test images on average (20.00 to 60.00 %)" in said
    unknown = section_of(frame.drop(columns="weights_sha256"), saved)
    assert [one.name for one in unknown.folded] == ["teachers-methods"]


def test_drawn_against_plain_distillation_where_it_is_there() -> None:
    frame, saved = numbers(lambda *_: 0.0, runs=3)
    assert "difference to TraditionalKD" in section_of(frame, saved).drawings[0].caption
    bare = frame[~frame["baseline"].isin(["TraditionalKD", "Direct"])]
    assert "difference to HPM-KD in" in section_of(bare, saved).drawings[0].caption


def test_a_single_teacher_has_all_the_weight_however_several_are_weighted() -> None:
    """So it is trained once, and stands at the beginning of each line; with itself it is not compared."""
    section = section_of(*numbers(lambda *_: 0.0))
    rows = rows_of(section, "teachers").set_index(["name", "teachers"])["baseline"]
    assert rows["HPM-KD", 1] == rows["HPM-KD-uniform", 1] == "HPM-KD"
    assert rows["HPM-KD-uniform", 2] == "HPM-KD-uniform-M2"
    beside = rows_of(section, "teachers-methods", name="HPM-KD", against="HPM-KD-uniform")
    assert beside["teachers"].tolist() == [2, 4]
    with_chain = section_of(*numbers(lambda *_: 0.0, hpmkd__chain_length=1))
    rows = rows_of(with_chain, "teachers").set_index(["name", "teachers"])["baseline"]
    assert rows["HPM-KD-uniform", 1] == "HPM-KD-uniform", "there the assistant has a weight"


def test_partial_sweeps() -> None:
    frame, saved = numbers(lambda *_: 0.0, runs=1)
    assert any("one run each shows nothing" in one for one in section_of(frame, saved).sentences)
    one = frame[frame["baseline"].isna() | (frame["baseline"] == "HPM-KD")]
    assert teachers.section(one, [], saved) is None
    assert teachers.section(frame, [], Saved(saved.output, None, ())) is None
    plain, saved = sweep(scored(lambda _: 0.0), baselines=["HPM-KD", "KD-Ensemble", "KD-Budget"], runs=2)
    assert teachers.section(plain, [], saved) is None


def test_the_page(tmp_path: Path) -> None:
    frame, saved = numbers(lambda label, m: 0.2 * m)
    frame.loc[frame["baseline"].isin(["HPM-KD-M2", "HPM-KD-M4"]), "attention_entropy"] = 0.5
    report = compose_report(frame, tmp_path, saved.config)
    page, text = html(report), markdown(report)
    part = page[page.index('<section id="teachers">') :].partition("</section>")[0]
    for name in ("figure-teachers", "figure-attention", "table-teachers", "table-teachers-methods"):
        assert f'id="{name}"' in part
    assert not re.search(r">(nan|None|inf)<", part)
    assert "## Number of teachers" in text


def test_what_the_budget_is_shared_by_is_said_and_it_has_one_teacher() -> None:
    section = section_of(*numbers(lambda label, m: 0.0))
    notes = [one.note for one in (*section.tables, *section.folded) if one.name in ("teachers", "teachers-methods")]
    assert len(notes) == 2
    assert all("its teachers shared by kd_budget.students = 5;" in note for note in notes)
    assert not any("at the same multiply-adds" in note for note in notes)
    said = [one for one in section.sentences if one.startswith("KD-Budget, with what")]
    assert len(said) == 1
    assert re.search(r"; at M = 4 it takes [\d.]+ times the multiply-adds of M = 1", said[0])
