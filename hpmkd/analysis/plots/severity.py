"""Lines over how badly a data set is corrupted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hpmkd.analysis.plots.style import TEXT, colours, legend, marks, panels, plain, styled
from hpmkd.numeric import digits, is_defined

_HEIGHT = 2.4  # inches
_SHIFT = 0.3  # of the distance between two numbers, among all lines, so that their intervals can be told apart
_TEACHER = "teacher"


def over_levels(rows: pd.DataFrame, column: str, label: str, unit: str, zero: bool = False) -> Figure:
    """A panel per `panel`: `column` over `level`, a line per `baseline`; with `low` and `high` where they are there.

    Numbers stand at equal distances: factors of 1, 10 and 100 as well as rates.

    Args:
        rows: a row per panel, level and baseline.
        column: what is shown.
        label: of the levels.
        unit: of the column.
        zero: with a line at 0, with which all is compared.
    """
    known = rows[rows[column].notna()]
    groups = list(known.groupby("panel", sort=False))
    names = list(dict.fromkeys(map(str, known["baseline"])))
    with styled():
        figure, axes = panels([_HEIGHT] * len(groups), [str(title) for title, _ in groups])
        for one, (_, part) in zip(axes, groups, strict=True):
            if zero:
                one.axhline(0, lw=1, color=TEXT, alpha=0.5)
            _panel(one, part, column, names)
            one.set_ylabel(unit)
        axes[-1].set_xlabel(label)
        legend(figure, axes, [plain(name) for name in names])
    return figure


def _panel(axes: Axes, part: pd.DataFrame, column: str, names: Sequence[str]) -> None:
    levels = sorted(map(float, part["level"].unique()))
    # The teacher is no method: methods keep their colours with and without it.
    methods = [name for name in names if name != _TEACHER]
    shades, shapes = {_TEACHER: TEXT, **colours(methods)}, marks(methods)
    for at, name in enumerate(names):
        mine = part[part["baseline"] == name].sort_values("level")
        if mine.empty:
            continue
        intervals = {"low", "high"} <= set(mine)
        shift = _SHIFT * (at - (len(names) - 1) / 2) / len(names) if intervals else 0.0
        places = [levels.index(float(level)) + shift for level in mine["level"]]
        look: dict[str, Any] = {"color": shades[name], "label": plain(name)}
        look |= {"color": TEXT, "ls": "--", "alpha": 0.6} if name == _TEACHER else {"marker": shapes[name]}
        axes.plot(places, mine[column].astype(float), ms=4.5, lw=1.2, **look)
        if intervals:
            for place, low, high in zip(places, mine["low"], mine["high"], strict=True):
                if is_defined(low) and is_defined(high):
                    axes.plot([place] * 2, [low, high], lw=1.4, color=shades[name], alpha=0.75)
    axes.set_xticks(range(len(levels)), [digits(level) for level in levels])
    axes.set_xlim(-0.5, len(levels) - 0.5)
