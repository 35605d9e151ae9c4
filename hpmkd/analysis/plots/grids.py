"""Grids of settings: heat maps over two, lines over one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from hpmkd.analysis.plots.style import PALETTE, TEXT, legend, panels, plain, styled
from hpmkd.numeric import fixed, is_defined

_WEAK, _STRONG = 0.05, 0.7  # opacity of the lowest and the highest cell
_ROW = 0.36  # inches
# So many columns have room for numbers in large letters, and for numbers and names at all.
_WIDE, _MOST = 8, 12
Place = tuple[int, int]


@dataclass(frozen=True)
class Panel:
    """One heat map.

    Args:
        title: its heading.
        keys: of rows and of columns.
        names: the values of both, as text.
        values: (row, column) -> what its colour stands for.
        marks: (row, column) -> `chosen`, `usual`, or nothing; cells that are in the grid, trained or not.
    """

    title: str
    keys: tuple[str, str]
    names: tuple[list[str], list[str]]
    values: dict[Place, float]
    marks: dict[Place, str]


def heat_maps(found: Sequence[Panel]) -> tuple[Figure, float, float]:
    """One below another on one colour scale. A few very low cells would make all others look alike, so the scale
    reaches down to three times as far as the median is below the highest.

    Returns:
        The figure, and the ends of the scale.
    """
    values = sorted(value for panel in found for value in panel.values.values())
    high, median = values[-1], values[len(values) // 2]
    low = max(values[0], high - 3 * (high - median)) if high > median else values[0]
    with styled():
        figure, axes = panels([_ROW * len(one.names[0]) + 0.45 for one in found], [one.title for one in found])
        for one, panel in zip(axes, found, strict=True):
            _heat_map(one, panel, low, high)
        steps = [low, (low + high) / 2, high] if high > low else [high]
        for value in steps:
            axes[0].add_patch(_colour((-9, -9), 0, _opacity(value, low, high), f"{value:.2f}"))
        legend(figure, axes, list(dict.fromkeys(f"{value:.2f}" for value in steps)))
    return figure, low, high


def _opacity(value: float, low: float, high: float) -> float:
    part = min(1.0, max(0.0, (value - low) / (high - low))) if high > low else 1.0
    return _WEAK + (_STRONG - _WEAK) * part


def _colour(corner: tuple[float, float], side: float, opacity: float, label: str = "") -> Rectangle:
    return Rectangle(corner, side, side, fc=PALETTE[0], ec="none", alpha=opacity, label=label)


def _heat_map(axes: Axes, panel: Panel, low: float, high: float) -> None:
    rows, columns = (len(names) for names in panel.names)
    size = 7.5 if columns <= _WIDE else 5.5
    for place in panel.marks:
        mark, corner = panel.marks[place], (place[1] - 0.5, place[0] - 0.5)
        value = panel.values.get(place)
        if value is not None:
            axes.add_patch(_colour(corner, 1, _opacity(value, low, high)))
        if mark:
            style: Any = "-" if mark == "chosen" else "--"
            inner = (corner[0] + 0.05, corner[1] + 0.07)
            axes.add_patch(Rectangle(inner, 0.9, 0.86, ls=style, lw=1.6, ec=TEXT, fill=False))
        if columns <= _MOST:
            weight = "bold" if mark == "chosen" else "normal"
            axes.text(place[1], place[0], fixed(value, 2), ha="center", va="center", size=size, weight=weight)
    axes.set_yticks(range(rows), [plain(name) for name in panel.names[0]])
    apart = -(-columns // _MOST)
    axes.set_xticks(range(0, columns, apart), [plain(name) for name in panel.names[1][::apart]])
    axes.set_ylabel(plain(panel.keys[0]))
    axes.set_xlabel(plain(panel.keys[1]))
    axes.set_xlim(-0.5, columns - 0.5)
    axes.set_ylim(rows - 0.5, -0.5)
    axes.grid(visible=False)
    axes.tick_params(length=0)
    for side in ("left", "bottom"):
        axes.spines[side].set_visible(False)


@dataclass(frozen=True)
class Line:
    """One line over one key: its values with `difference`, `low`, `high` each, and whether it is the chosen one (which
    has no difference); `usual`: the value of the config."""

    title: str
    key: str
    points: Sequence[tuple[Any, Mapping[str, Any], bool]]
    usual: Any


def lines(found: Sequence[Line]) -> Figure:
    """One below another: what each value is away from the chosen one."""
    with styled():
        figure, axes = panels([1.7] * len(found), [one.title for one in found])
        for one, line in zip(axes, found, strict=True):
            _line(one, line)
    return figure


def _line(axes: Axes, line: Line) -> None:
    numbers = all(isinstance(value, int | float) for value, _, _ in line.points)
    places = [float(value) if numbers else float(at) for at, (value, _, _) in enumerate(line.points)]
    heights = [0.0 if chosen else float(row["difference"]) for _, row, chosen in line.points]
    axes.axhline(0, lw=1, color=TEXT, alpha=0.5)
    axes.plot(places, heights, ls="-" if numbers else "none", lw=1.2, color=PALETTE[0], alpha=0.8)
    for place, height, (value, row, chosen) in zip(places, heights, line.points, strict=True):
        if is_defined(row["low"]):
            axes.plot([place] * 2, [row["low"], row["high"]], lw=1.6, color=PALETTE[0])
        axes.plot(place, height, "o", ms=6, mec=PALETTE[0], mfc=PALETTE[0] if chosen else "none", mew=1.5)
        if value == line.usual:
            axes.axvline(place, lw=1, ls="--", color=TEXT, alpha=0.5)
    if numbers and min(places) > 0 and max(places) > 20 * min(places):
        axes.set_xscale("log")
    if not numbers:
        axes.set_xticks(places, [plain(str(value)) for value, _, _ in line.points])
        axes.set_xlim(-0.5, len(places) - 0.5)
    axes.set_xlabel(plain(line.key))
    axes.set_ylabel("points")
