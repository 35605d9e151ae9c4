"""Lines over how badly a data set is corrupted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hpmkd.analysis.plots.style import TEXT, colours, legend, marks, panels, styled
from hpmkd.analysis.plots.style import rows as named_rows
from hpmkd.numeric import digits, is_defined

_HEIGHT = 2.4  # inches
_SHIFT = 0.3  # of the distance between two numbers, among all lines, so that their intervals can be told apart
_TEACHER = "teacher"
_ROW = 0.24  # inches
MANY = 8  # more lines with intervals cannot be told apart


def over_levels(
    rows: pd.DataFrame, column: str, order: Sequence[str], label: str, unit: str, zero: bool = False
) -> Figure:
    """A panel per `panel`: `column` over `level`, a line per `baseline`; with `low` and `high` where they are there.

    Numbers stand at equal distances: factors of 1, 10 and 100 as well as rates.

    Args:
        rows: a row per panel, level and baseline.
        column: what is shown.
        order: all baselines, so that each has one colour in all figures.
        label: of the levels.
        unit: of the column.
        zero: with a line at 0, with which all is compared.
    """
    known = rows[rows[column].notna()]
    groups = list(known.groupby("panel", sort=False))
    there = set(map(str, known["baseline"]))
    names = [name for name in order if name in there]
    # The teacher is no method: methods keep their colours with and without it.
    methods = [name for name in order if name != _TEACHER]
    looks = {name: (colours(methods)[name], marks(methods)[name]) for name in methods}
    with styled():
        figure, axes = panels([_HEIGHT] * len(groups), [str(title) for title, _ in groups])
        for one, (_, part) in zip(axes, groups, strict=True):
            if zero:
                one.axhline(0, lw=1, color=TEXT, alpha=0.5)
            _panel(one, part, column, {name: looks.get(name) for name in names})
            one.set_ylabel(unit)
        axes[-1].set_xlabel(label)
        legend(figure, axes, names)
    return figure


def _panel(axes: Axes, part: pd.DataFrame, column: str, looks: Mapping[str, tuple[str, str] | None]) -> None:
    levels = sorted(map(float, part["level"].unique()))
    for at, (name, own) in enumerate(looks.items()):
        mine = part[part["baseline"] == name].sort_values("level")
        if mine.empty:
            continue
        intervals = {"low", "high"} <= set(mine)
        shift = _SHIFT * (at - (len(looks) - 1) / 2) / len(looks) if intervals else 0.0
        places = [levels.index(float(level)) + shift for level in mine["level"]]
        look: dict[str, Any] = {"color": TEXT, "ls": "--", "alpha": 0.6}
        if own is not None:
            look = {"color": own[0], "marker": own[1]}
        axes.plot(places, mine[column].astype(float), ms=4.5, lw=1.2, label=name, **look)
        if intervals:
            for place, low, high in zip(places, mine["low"], mine["high"], strict=True):
                if is_defined(low) and is_defined(high):
                    axes.plot([place] * 2, [low, high], lw=1.4, color=look["color"], alpha=0.75)
    axes.set_xticks(range(len(levels)), [digits(level) for level in levels])
    axes.set_xlim(-0.5, len(levels) - 0.5)


def at_the_worst(rows: pd.DataFrame, column: str, order: Sequence[str], label: str, unit: str) -> Figure:
    """A panel per `panel`: `column` with `low` and `high` at its largest `level`, a row per `baseline`.

    What `over_levels` is for many baselines, whose intervals could not be told apart there.
    """
    known = rows[rows[column].notna()]
    groups = [
        (str(title), part[part["level"] == part["level"].max()]) for title, part in known.groupby("panel", sort=False)
    ]
    shades = colours([name for name in order if name != _TEACHER])
    with styled():
        titles = [f"{title}, {label} {digits(float(part['level'].max()))}" for title, part in groups]
        figure, axes = panels([_ROW * len(part) + 0.5 for _, part in groups], titles)
        for one, (_, part) in zip(axes, groups, strict=True):
            found = part.set_index("baseline")
            names = [name for name in order if name in found.index]
            one.axvline(0, lw=1, color=TEXT, alpha=0.5)
            for at, name in enumerate(names):
                row = found.loc[name]
                one.plot([float(row[column])], [at], "o", ms=4.5, color=shades[name])
                if is_defined(row["low"]) and is_defined(row["high"]):
                    one.plot([row["low"], row["high"]], [at, at], lw=1.4, color=shades[name], alpha=0.75)
            named_rows(one, names)
        axes[-1].set_xlabel(unit)
    return figure
