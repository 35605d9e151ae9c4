"""How figures look: the same bytes everywhere, one colour for a method, those of the page."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from typing import Any

import matplotlib as mpl
import pytest
from matplotlib.figure import Figure
from support.frames import make_frame

from hpmkd.analysis import plots, stats
from hpmkd.analysis.plots.style import FORMATS, colours, inline, marks, render


@pytest.mark.parametrize("count", [1, 12])
def test_svg_takes_the_colour_of_the_page(count: int) -> None:
    scores = {f"Baseline-{number}": [70.0 + number, 71.0] for number in range(count)}
    frame = make_frame(scores)
    for figure in (plots.accuracy(frame, list(scores)), plots.pareto(stats.summary(frame), list(scores))):
        svg = render(figure, "svg")
        text = inline(svg, "one", "a figure")
        root = ElementTree.fromstring(text)
        assert (root.get("role"), root.get("width")) == ("img", None)
        assert "currentColor" in text
        assert "#1b2631" not in text
        assert svg.count(b"fill: #ffffff") > len(figure.axes), "a file has a white ground"
        assert "fill: #ffffff" not in text, "a page has its own"
        assert render(figure, "png").startswith(b"\x89PNG")


THEIRS = [
    {"savefig.bbox": "tight", "savefig.pad_inches": 2.0},
    {"figure.autolayout": True},
    {"figure.constrained_layout.use": True},
    {"lines.linewidth": 9.0, "lines.markersize": 20.0, "figure.dpi": 300.0},
    {"axes.facecolor": "black", "savefig.transparent": True, "xtick.direction": "in"},
    {"axes.prop_cycle": mpl.cycler(color=["red"]), "font.size": 30.0, "axes.titleweight": "bold"},
]


@pytest.mark.parametrize("theirs", THEIRS, ids=[next(iter(one)) for one in THEIRS])
def test_a_matplotlibrc_changes_no_figure(theirs: dict[str, Any]) -> None:
    frame = make_frame({"Direct": [70.0, 71.0], "AT": [73.0, 74.5]})

    def drawn() -> list[bytes]:
        figures = [plots.accuracy(frame, ["Direct", "AT"]), plots.pareto(stats.summary(frame), ["Direct", "AT"])]
        return [render(figure, kind) for figure in figures for kind in FORMATS]

    usual = drawn()
    with mpl.rc_context(theirs):
        assert drawn() == usual
        assert mpl.rcParams[next(iter(theirs))] == next(iter(theirs.values())), "theirs again"


def test_the_last_digit_of_a_place_changes_no_byte() -> None:
    """The solver of matplotlib's layout does not always give the same one."""

    def drawn(shift: float) -> bytes:
        figure = Figure(figsize=(2, 2))
        for place in (0.13, 0.61):  # no number lies where six digits round both ways
            axes = figure.add_axes((0.1, place + shift, 0.8, 0.3))
            axes.plot([0, 1], [1, 2], "o-")
        return render(figure, "svg")

    assert drawn(0.0) == drawn(2e-15)
    tree = ElementTree.fromstring(drawn(0.0))
    ids = [one.get("id") for one in tree.iter() if one.get("id")]
    assert len(ids) == len(set(ids))
    used = re.findall(r'url\(#([^)]+)\)|href="#([^"]+)"', drawn(0.0).decode())
    assert used
    assert {one or other for one, other in used} <= set(ids)


def test_a_method_has_one_colour_in_the_figures_of_all_sweeps() -> None:
    first, second = ["Direct", "TraditionalKD", "HPM-KD"], ["HPM-KD", "TAKD", "Direct", "HPM-KD-noChain"]
    for name in ("Direct", "HPM-KD"):
        assert colours(first)[name] == colours(second)[name]
        assert marks(first)[name] == marks(second)[name]
    many = [*second, *(f"TraditionalKD-T{number}" for number in range(2, 90))]
    looks = set(zip(colours(many).values(), marks(many).values(), strict=True))
    assert len(looks) == len(many), "each is told from the others"
    assert len(set(colours(second).values())) == len(second)
