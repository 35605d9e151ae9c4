"""Lines over the ratio of sizes, on a logarithmic axis."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullFormatter, NullLocator

from hpmkd.analysis.plots.style import TEXT, colours, legend, marks, panels, styled
from hpmkd.numeric import is_defined

_HEIGHT, _LINES = 2.3, 5  # inches; lines of a panel: more intervals cannot be told apart
_ROOM = 0.06  # of the axis, between two labels
_SHIFT = 0.011  # of the axis, between lines


def over_ratio(
    rows: pd.DataFrame,
    columns: tuple[str, str, str],
    unit: str,
    order: Sequence[str],
    several: bool,
    zero: bool = False,
) -> Figure:
    """A panel per series and five baselines: a value with its interval over `ratio`, a line per `name`.

    Args:
        rows: a row each, with `series`, `ratio`, `name`; each has a value.
        columns: the value and the ends of its interval.
        unit: of the value.
        order: the baselines, which have the same colours in all figures.
        several: there are several series, so that each needs its name.
        zero: with a line at 0.
    """
    names = [name for name in order if name in set(rows["name"])]
    chunks = [names[start : start + _LINES] for start in range(0, len(names), _LINES)]
    wanted = [(name, part, chunk) for name, part in rows.groupby("series", sort=False) for chunk in chunks]
    titles = [str(name) if several and chunk == chunks[0] else "" for name, _, chunk in wanted]
    with styled():
        figure, axes = panels([_HEIGHT] * len(wanted), titles)
        for one, (_, part, chunk) in zip(axes, wanted, strict=True):
            _panel(one, part, columns, order=order, chunk=chunk)
            if zero:
                one.axhline(0, lw=1, color=TEXT, alpha=0.5)
            one.set_ylim(*_limits(part, columns))
            one.set_ylabel(unit)
        axes[-1].set_xlabel("times fewer parameters than the teacher")
        legend(figure, axes, names)
    return figure


def _panel(
    axes: Axes, part: pd.DataFrame, columns: tuple[str, str, str], order: Sequence[str], chunk: list[str]
) -> None:
    value, low, high = columns
    ratios = sorted(set(part["ratio"]))
    span = math.log(ratios[-1] / ratios[0]) or 1.0
    shade, mark = colours(order), marks(order)
    axes.set_xscale("log")
    for at, name in enumerate(chunk):
        own = part[(part["name"] == name) & part[value].notna()].sort_values("ratio")
        shift = math.exp(span * _SHIFT * (at - (len(chunk) - 1) / 2))
        places = [ratio * shift for ratio in own["ratio"]]
        axes.plot(places, own[value], mark[name] + "-", ms=4.5, lw=1.3, color=shade[name], label=name)
        for place, least, most in zip(places, own[low], own[high], strict=True):
            if is_defined(least) and is_defined(most):
                axes.plot([place] * 2, [least, most], lw=1.4, color=shade[name], alpha=0.75)
    axes.set_xlim(ratios[0] * math.exp(-0.06 * span), ratios[-1] * math.exp(0.06 * span))
    labelled = _apart(ratios, span)
    axes.xaxis.set_major_locator(FixedLocator(ratios))
    axes.set_xticks(ratios, [f"{ratio:.2g}" if ratio in labelled else "" for ratio in ratios])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_minor_formatter(NullFormatter())


def _apart(ratios: Sequence[float], span: float) -> set[float]:
    """Those whose labels do not touch the one before."""
    made: list[float] = []
    for ratio in ratios:
        if not made or math.log(ratio / made[-1]) >= _ROOM * span:
            made.append(ratio)
    return set(made)


def _limits(part: pd.DataFrame, columns: tuple[str, str, str]) -> tuple[float, float]:
    """Of all values, and of intervals as far as twice the spread of the values beyond them."""
    value, low, high = (part[name].dropna() for name in columns)
    least, most = float(value.min()), float(value.max())
    room = 2 * max(most - least, 0.25 * max(abs(most), abs(least), 1e-6), 1e-3)
    bottom = max(min([least, *low]), least - room)
    top = min(max([most, *high]), most + room)
    edge: Any = 0.05 * max(top - bottom, 1e-6)
    return bottom - edge, top + edge
