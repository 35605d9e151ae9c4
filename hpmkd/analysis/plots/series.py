"""Lines over a whole number: how long a chain is, how many teachers there are."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from hpmkd.analysis.plots.style import MARKS, PALETTE, TEXT, legend, panels, plain, styled
from hpmkd.numeric import is_defined

_HEIGHT = 2.4  # inches
# What draws a line: into axes, of its rows, at its place among the names.
Draw = Callable[[Axes, pd.DataFrame, int, Iterable[str]], None]
_SHIFT = 0.07  # between lines, so that their intervals can be told apart


def differences(rows: pd.DataFrame, over: str, label: str, margin: float | None, several: bool) -> Figure:
    """A panel per place: `difference` (points) with `low` and `high` over a column of whole numbers, a line per `name`.

    Args:
        rows: a row each, with `place`, `name`; where there is no difference it is what others are compared with.
        over: the column.
        label: of its axis.
        margin: shaded, points; None: nothing.
        several: there are several places, so that each needs its name.
    """

    def draw(axes: Axes, part: pd.DataFrame, at: int, names: Iterable[str]) -> None:
        _lines(axes, part, over, at=at, names=names)

    return _panels(rows, several, draw, label=label, unit="points", margin=margin)


def _panels(
    rows: pd.DataFrame, several: bool, draw: Draw, label: str, unit: str, margin: float | None = None
) -> Figure:
    groups = list(rows.groupby("place", sort=False))
    names = list(dict.fromkeys(map(str, rows["name"])))
    with styled():
        figure, axes = panels([_HEIGHT] * len(groups), [str(place) if several else "" for place, _ in groups])
        for one, (_, part) in zip(axes, groups, strict=True):
            if margin is not None:
                one.axhspan(-margin, margin, color=TEXT, alpha=0.07, lw=0)
                one.axhline(0, lw=1, color=TEXT, alpha=0.5)
            for at, name in enumerate(names):
                draw(one, part[part["name"] == name], at, names)
            one.set_ylabel(unit)
            one.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes[-1].set_xlabel(label)
        legend(figure, axes, names)
    return figure


def _lines(axes: Axes, part: pd.DataFrame, over: str, at: int, names: Iterable[str]) -> None:
    if part.empty:
        return
    colour, mark = PALETTE[at % len(PALETTE)], MARKS[at % len(MARKS)]
    shift = _SHIFT * (at - (len(list(names)) - 1) / 2)
    places = [float(value) + shift for value in part[over]]
    heights = part["difference"].fillna(0.0).astype(float)
    axes.plot(places, heights, mark + "-", ms=4.5, lw=1.3, color=colour, label=str(part["name"].iloc[0]))
    for place, low, high in zip(places, part["low"], part["high"], strict=True):
        if is_defined(low):
            axes.plot([place] * 2, [low, high], lw=1.4, color=colour, alpha=0.75)


def along(rows: pd.DataFrame, several: bool) -> Figure:
    """A panel per place and method: accuracy over the position in the chain, a line per length.

    Args:
        rows: of `chain_positions.positions`.
        several: as above.
    """
    groups = list(rows.groupby(["place", "name"], sort=False))
    lengths = sorted(map(int, rows["length"].unique()))
    titles = [f"{place}: {name}" if several else str(name) for (place, name), _ in groups]
    with styled():
        figure, axes = panels([1.9] * len(groups), titles)
        for one, (_, part) in zip(axes, groups, strict=True):
            for length, mine in part.groupby("length"):
                at = lengths.index(int(str(length)))
                look: dict[str, Any] = {"color": PALETTE[at % len(PALETTE)], "label": _length_name(int(str(length)))}
                one.plot(mine["position"], mine["accuracy_pct"], MARKS[at % len(MARKS)] + "-", ms=4.5, lw=1.2, **look)
            one.set_ylabel("%")
            one.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes[-1].set_xlabel("position: teacher, assistants, student")
        legend(figure, axes, [_length_name(length) for length in lengths])
    return figure


def _length_name(length: int) -> str:
    return plain(f"{length} assistant{'s' * (length != 1)}")


def entropies(rows: pd.DataFrame, several: bool) -> Figure:
    """A panel per place: `effective` teachers over M, a line per `name`, dashed: as many as there are.

    Args:
        rows: with `place`, `name`, `teachers`, `effective`, and `sources`: whom the attention weighs.
        several: as above.
    """

    def draw(axes: Axes, part: pd.DataFrame, at: int, names: Iterable[str]) -> None:
        if part.empty:
            return
        colour, mark = PALETTE[at % len(PALETTE)], MARKS[at % len(MARKS)]
        axes.plot(part["teachers"], part["sources"], "--", lw=1, color=colour, alpha=0.7)
        axes.plot(part["teachers"], part["effective"], mark + "-", ms=4.5, lw=1.3, color=colour,
                  label=str(part["name"].iloc[0]))  # fmt: skip

    return _panels(rows, several, draw, label="M, teachers of the method", unit="effective teachers")
