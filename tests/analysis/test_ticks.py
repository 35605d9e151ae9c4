"""Numbers beside axes of costs: plain, few, and none upon another."""

from __future__ import annotations

import itertools

import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from hpmkd.analysis.plots.frontier import frontiers
from hpmkd.analysis.plots.ticks import short


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.5, "0.5"),
        (2000, "2000"),
        (25e3, "25 k"),
        (1.6e10, "16 G"),
        (2e12, "2 T"),
        (0.0, "0"),
        (-2e6, "-2 M"),
    ],
)
def test_numbers(value: float, text: str) -> None:
    assert short(value) == text


@pytest.mark.parametrize(
    ("low", "high"), [(1.5e11, 4e12), (1.46e11, 1.62e11), (2e10, 3e13), (10.0, 200.0), (3.0, 14.0), (1e9, 4.1e9)]
)
def test_costs(low: float, high: float) -> None:
    """There was `1e11` at the end of an axis, and 2, 3 and 4 times 10^12 upon one another."""
    rows = pd.DataFrame({"name": ["A", "B"], "cost": [low, high], "mean_pct": [90.0, 91.0], "on": True, "title": "D"})
    figure = frontiers(rows.assign(low_pct=89.0, high_pct=92.0), ["A", "B"], "multiply-adds")
    FigureCanvasAgg(figure).draw()
    axes = figure.axes[0]
    left, right = axes.get_xlim()
    labels = [one for one in axes.get_xticklabels(which="both") if one.get_text()]
    inside = [one for one in labels if left <= one.get_position()[0] <= right]
    assert 2 <= len(inside) <= 9
    assert not any("^" in one.get_text() or "e" in one.get_text() for one in inside)
    assert not axes.xaxis.get_offset_text().get_text()
    boxes = [one.get_window_extent() for one in inside]
    assert not any(one.overlaps(other) for one, other in itertools.combinations(boxes, 2))
