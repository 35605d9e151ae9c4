"""Accuracy over cost: the frontier, and curves over the number of epochs."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hpmkd.analysis.plots.style import TEXT, colours, legend, marks, panels, styled
from hpmkd.analysis.plots.ticks import linear, logarithmic
from hpmkd.numeric import is_defined

_HEIGHT = 2.3  # inches
Draw = Callable[[Axes, pd.DataFrame], None]  # the points of one panel


def frontiers(rows: pd.DataFrame, order: Sequence[str], unit: str) -> Figure:
    """A panel per `title`: accuracy with its interval over cost; the dashed line joins the frontier.

    Args:
        rows: a row per point: `title`, `name`, `cost`, `mean_pct`, `low_pct`, `high_pct`, `on` (is on the frontier).
        order: the baselines.
        unit: of the cost.
    """
    shade, mark = colours(order), marks(order)

    def draw(axes: Axes, part: pd.DataFrame) -> None:
        front = part[part["on"]].sort_values("cost")
        axes.plot(front["cost"], front["mean_pct"], lw=1, ls="--", color=TEXT, alpha=0.6)
        for row in part.to_dict("records"):
            name = str(row["name"])
            _interval(axes, row, shade[name])
            face = shade[name] if row["on"] else "none"
            axes.plot(row["cost"], row["mean_pct"], mark[name], ms=7, color=shade[name], mfc=face, label=name)

    return _panels(rows, order, draw, unit)


def budget_curves(rows: pd.DataFrame, order: Sequence[str], unit: str) -> Figure:
    """A panel per `title`: accuracy with its interval over cost, a line per `name` through its numbers of epochs.

    Args:
        rows: a row per point: `title`, `name`, `cost`, `mean_pct`, `low_pct`, `high_pct`.
        order: the names.
        unit: of the cost.
    """
    shade, mark = colours(order), marks(order)

    def draw(axes: Axes, part: pd.DataFrame) -> None:
        for name in (name for name in order if name in set(part["name"])):
            own = part[part["name"] == name].sort_values("cost")
            axes.plot(own["cost"], own["mean_pct"], mark[name] + "-", ms=5, lw=1.3, color=shade[name], label=name)
            for row in own.to_dict("records"):
                _interval(axes, row, shade[name])

    return _panels(rows, order, draw, unit)


def _interval(axes: Axes, row: Mapping[Hashable, Any], colour: str) -> None:
    if is_defined(row["low_pct"]):
        axes.plot([row["cost"]] * 2, [row["low_pct"], row["high_pct"]], lw=1.3, color=colour, alpha=0.7)


def _panels(rows: pd.DataFrame, order: Sequence[str], draw: Draw, unit: str) -> Figure:
    groups = list(rows.groupby("title", sort=False))
    with styled():
        figure, axes = panels([_HEIGHT] * len(groups), [str(title) for title, _ in groups])
        for one, (_, part) in zip(axes, groups, strict=True):
            draw(one, part)
            if part["cost"].min() > 0 and part["cost"].max() > 4 * part["cost"].min():
                one.set_xscale("log")
                logarithmic(one.xaxis, *one.get_xlim())
            else:
                linear(one.xaxis)
            one.set_ylabel("test accuracy, %")
        axes[-1].set_xlabel(f"{unit} for one student")
        legend(figure, axes, order)
    return figure
