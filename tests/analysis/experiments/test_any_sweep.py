"""Whatever a sweep of these experiments has finished and whatever its numbers are: sections without holes, or none."""

from __future__ import annotations

import math
import re
import warnings
from typing import Any

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure
from support.varied import GAP, scored, sweep

from hpmkd.analysis.experiments.registry import EXPERIMENTS
from hpmkd.analysis.plots.style import render
from hpmkd.audit.sweep_dir import Saved

SWEEPS: dict[str, dict[str, Any]] = {
    "sensitivity": {"vary": [{"baselines": ["TraditionalKD"], "kd.temperature": [2, 4], "kd.alpha": [0.5, 0.9]}]},
    "chain": {"vary": [{"baselines": ["HPM-KD"], "hpmkd.chain_length": [0, 1, 2]},
                       {"baselines": ["TAKD"], "takd.steps": [1, 2]}]},
    "imbalance": {"data__imbalance": [None, "exp5", "evenexp5"], "data__teacher_sees": ["same", "clean"],
                  "data__train_images": None},
    "noise": {"data__label_noise": [None, "sym0.2", "pair0.4"], "data__clean_validation": [False, True]},
    "teachers": {"vary": [{"baselines": ["HPM-KD", "KD-Ensemble", "KD-Budget"], "hpmkd.teachers": [1, 2]}]},
    "ratios": {"ratios": [2, 10, 20]},
    "costs": {"vary": [{"baselines": ["Direct", "TraditionalKD"], "fit.student_epochs": [1, 2, 4]}]},
}  # fmt: skip
numbers = st.sampled_from([math.nan, 0.0, 50.0, 50.1, 99.9, 1e-300, 100.0])


@pytest.fixture(scope="module", params=SWEEPS)
def whole(request: pytest.FixtureRequest) -> tuple[str, pd.DataFrame, Saved]:
    name = str(request.param)
    return name, *sweep(scored(lambda _: 0.0), baselines=["Direct", "TraditionalKD"], runs=3, **{**GAP, **SWEEPS[name]})


def texts(figure: Figure) -> list[str]:
    return re.findall(r"<text[^>]*>([^<]*)<", render(figure, "svg").decode())


@given(data=st.data())
@settings(max_examples=5, deadline=None, suppress_health_check=list(HealthCheck))
def test_partial_sweeps_and_odd_numbers(whole: tuple[str, pd.DataFrame, Saved], data: st.DataObject) -> None:
    name, frame, saved = whole
    keep = data.draw(st.lists(st.integers(0, 3), min_size=len(frame), max_size=len(frame)))
    part = frame[[number > 0 for number in keep]].copy()
    if data.draw(st.booleans()):
        drawn = data.draw(st.lists(numbers, min_size=2 * len(part), max_size=2 * len(part)))
        part["accuracy_pct"], part["validation_accuracy_pct"] = drawn[: len(part)], drawn[len(part) :]
    part["train_seconds"] = data.draw(st.sampled_from([math.nan, 0.0, 5.0]))
    for column in ("tail_recall_pct", "memorised_pct", "ece_pct"):
        part[column] = data.draw(numbers)
    part["attention_entropy"] = data.draw(numbers.filter(lambda value: value < 20 or value != value))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        section = EXPERIMENTS[name](part, [], saved)
    if section is None:
        return
    cells = [cell for table in (*section.tables, *section.folded) for row in table.cells for cell in row]
    shown = [text for drawing in section.drawings for text in (drawing.caption, *texts(drawing.figure))]
    for text in (*section.sentences, *cells, *shown):
        assert not re.search(r"\b(nan|inf|None|NaT)\b|<NA>", text), text
    assert section.sentences
    for text in section.sentences:
        assert " - " not in text, "a dash is no number in a sentence"
        assert text[-1] == "."
