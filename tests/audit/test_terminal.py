"""The tables at the end of a sweep."""

from __future__ import annotations

import pandas as pd
from support.varied import scored, sweep

from hpmkd.audit import terminal
from hpmkd.audit.chosen import unchosen, unchosen_text

KD = {"baselines": ["TraditionalKD"], "kd.temperature": [2, 4, 8], "kd.alpha": [0.5, 0.9]}


def test_cells_of_a_grid_that_are_not_chosen_are_shown_on_validation_images() -> None:
    lucky, chosen = "TraditionalKD-T8", "TraditionalKD-T2-a0.5"
    score = scored(lambda label: 5.0 * (label == lucky), validation=lambda label: 2.0 * (label == chosen))
    frame, saved = sweep(score, baselines=["Direct", "TraditionalKD-T8-a0.5"], vary=[KD], runs=3)
    hidden = unchosen(frame, saved.config)
    (other,) = terminal.validation_tables(frame.loc[hidden], ["TraditionalKD-a0.5", "TraditionalKD-T2", lucky])
    assert (other.title, other.headings) == ("Digits: other cells", ("baseline", "runs", "validation %", "sd"))
    assert [row[0] for row in other.rows] == ["TraditionalKD-a0.5", "TraditionalKD-T2", lucky]
    looked = frame[frame["baseline"] == lucky]["validation_accuracy_pct"]
    assert list(other.rows[-1][1:]) == ["3", f"{looked.mean():.2f}", f"{looked.std():.2f}"]
    (text,) = unchosen_text(frame.loc[hidden, "baseline"])
    assert text.startswith("3 cells of grids are compared on validation images alone: whoever")


def test_numbers_of_epochs_are_not_chosen_among() -> None:
    """What more of them buy is a question of cost: every one has its test accuracy."""
    vary = [{"baselines": ["Direct", "TraditionalKD"], "fit.student_epochs": [1, 2, 4]}]
    frame, saved = sweep(scored(lambda _: 0.0), baselines=["Direct"], vary=vary, runs=3)
    assert unchosen(frame, saved.config).empty
    frame, saved = sweep(
        scored(lambda _: 0.0), baselines=["Direct"], vary=[{**KD, "fit.student_epochs": [2, 4]}], runs=3
    )
    hidden = set(frame.loc[unchosen(frame, saved.config), "baseline"])
    assert {"epochs4" in name for name in hidden} == {True, False}, "T and alpha are, for each number of epochs"
    assert len(hidden) == 2 * 5 - 1


def test_without_a_grid_every_baseline_is_shown() -> None:
    frame, saved = sweep(scored(lambda _: 0.0), baselines=["Direct", "TraditionalKD", "TraditionalKD-T8"], runs=2)
    assert unchosen(frame, saved.config).empty
    assert unchosen(frame, None).empty
    assert terminal.validation_tables(frame.iloc[:0], []) == []
    assert unchosen_text(pd.Series([], dtype=object)) == []
