"""The tables of the evidence, against values by hand."""

from __future__ import annotations

import evidence
import numpy as np
import pandas as pd
import pytest
from scipy import stats

SCORES = {"Direct": [67.0, 68.0, 67.5, 66.5], "HPM-KD": [67.6, 68.2, 68.3, 66.9], "AT": [66.0, 69.0, 67.0, 66.8]}


@pytest.fixture
def frame() -> pd.DataFrame:
    """Four runs of three baselines, two of which needed a teacher, and one an assistant as well."""
    needs = {"Direct": "", "AT": "teacher_D", "HPM-KD": "teacher_D assistant_D_HPM-KD_1"}
    rows = [
        (f"student_D_{name}_run{run}.pt", "student", name, run, value, 10.0, 0.5, needs[name])
        for name, values in SCORES.items()
        for run, value in enumerate(values, 1)
    ]
    rows += [("teacher_D.pt", "teacher", None, None, 80.0, 100.0, 0.0, "")]
    rows += [("assistant_D_HPM-KD_1.pt", "assistant", "HPM-KD", None, 70.0, 30.0, 0.0, "teacher_D")]
    columns = ["file", "role", "baseline", "run", "accuracy_pct", "train_seconds", "prepare_seconds", "ancestors"]
    return pd.DataFrame(rows, columns=columns).assign(dataset="D", planned=True)


def students(frame: pd.DataFrame) -> pd.DataFrame:
    return frame[frame["role"] == "student"]


def test_paired_differences_by_hand(frame: pd.DataFrame) -> None:
    heading, rows = evidence.comparison(students(frame), "Direct")
    assert heading[4] == "minus Direct"
    assert [row[0] for row in rows] == ["HPM-KD", "Direct", "AT"]
    change = np.array(SCORES["HPM-KD"]) - np.array(SCORES["Direct"])
    half = stats.t.ppf(0.975, 3) * change.std(ddof=1) / 2
    p = 2 * stats.t.sf(abs(change.mean()) / (change.std(ddof=1) / 2), 3)
    interval = f"{change.mean() - half:+.2f} to {change.mean() + half:+.2f}"
    assert rows[0] == ["HPM-KD", "4", "67.75", "0.65", f"{change.mean():+.2f}", interval, f"{min(1.0, 2 * p):.3f}"]
    assert rows[1] == ["Direct", "4", "67.25", "0.65", "", "", ""]


def test_one_run_has_a_difference_and_no_interval(frame: pd.DataFrame) -> None:
    _, rows = evidence.comparison(students(frame[frame["run"] == 1]), "Direct")
    assert rows[0][4:] == ["+0.60", "", ""]


def test_seconds_by_component(frame: pd.DataFrame) -> None:
    heading, rows = evidence.components(frame)
    cells = {row[0]: dict(zip(heading, row, strict=True)) for row in rows}
    assert [row[0] for row in rows] == ["Direct", "AT", "HPM-KD"]
    assert (cells["Direct"]["teacher s"], cells["Direct"]["student s"], cells["Direct"]["total s"]) == ("", "40", "40")
    assert (cells["AT"]["teacher s"], cells["AT"]["total s"]) == ("100", "140")
    assert (cells["HPM-KD"]["assistant s"], cells["HPM-KD"]["total s"]) == ("30", "170")
    assert cells["HPM-KD"]["of which attention s"] == "2.0"


def test_hpm_kd_is_a_reference_where_variants_of_it_are(frame: pd.DataFrame) -> None:
    assert evidence.references(students(frame)) == ["Direct"]
    more = students(frame).replace({"baseline": {"AT": "HPM-KD-noChain"}})
    assert evidence.references(more) == ["Direct", "HPM-KD"]


@pytest.mark.parametrize("markdown", [True, False])
def test_it_can_be_shown(frame: pd.DataFrame, markdown: bool, capsys: pytest.CaptureFixture[str]) -> None:
    from rich.console import Console

    evidence.show("Title", *evidence.comparison(students(frame), "Direct"), markdown, Console(width=140))
    out = capsys.readouterr().out
    assert "Title" in out
    assert ("| HPM-KD | 4 | 67.75 |" in out) is markdown
