"""What accuracy costs, and where the time went."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from hpmkd.analysis.plots.style import PALETTE, TEXT, colours, legend, marks, panels, rows, styled
from hpmkd.analysis.plots.ticks import logarithmic
from hpmkd.plan.roles import Role

_MARK = 7.0  # points


def pareto(summary: pd.DataFrame, order: Sequence[str]) -> Figure:
    """Mean accuracy over total training seconds; the line joins what nothing beats in both.

    Args:
        summary: of `stats.summary`.
        order: the baselines.
    """
    shade, mark = colours(order), marks(order)
    places = list(dict.fromkeys(summary["place"]))
    with styled():
        figure, axes = panels([2.2] * len(places), places)
        for one, where in zip(axes, places, strict=True):
            part = summary[(summary["place"] == where) & (summary["baseline"] != "teacher")]
            front = pareto_front(part)
            one.plot(front["total_seconds"], front["mean_pct"], lw=1, ls="--", color=TEXT, alpha=0.6)
            known = part[part["baseline"].isin(set(shade))]
            for row, size in zip(known.to_dict("records"), _sizes(known), strict=True):
                name = str(row["baseline"])
                one.plot(row["total_seconds"], row["mean_pct"], mark[name], ms=size, color=shade[name], label=name)
            if len(part) and part["total_seconds"].max() > 20 * part["total_seconds"].min() > 0:
                one.set_xscale("log")
                logarithmic(one.xaxis, *one.get_xlim())
            one.set_ylabel("mean test accuracy, %")
        axes[-1].set_xlabel("training seconds: students and their parents")
        legend(figure, axes, order)
    return figure


def _sizes(part: pd.DataFrame) -> list[float]:
    """Points of each mark: larger where later ones lie upon it, so that it is seen around them."""
    points = part[["total_seconds", "mean_pct"]].to_numpy(dtype=float)
    reach = 0.02 * np.maximum(np.ptp(points, axis=0), 1e-9) if len(points) else np.ones(2)
    return [
        _MARK + 4.0 * int((abs(points[n + 1 :] - points[n]) <= reach).all(axis=1).sum()) for n in range(len(points))
    ]


def pareto_front(part: pd.DataFrame) -> pd.DataFrame:
    """The rows that no other row beats in accuracy at the same cost or less, by cost."""
    columns = ["total_seconds", "mean_pct"]
    ranked = part.dropna(subset=columns).sort_values(columns, ascending=[True, False])
    best = ranked["mean_pct"].cummax().shift(fill_value=float("-inf"))
    return ranked[ranked["mean_pct"] > best]


def has_front(summary: pd.DataFrame) -> bool:
    """Whether a line is drawn anywhere: a front of one baseline is a point."""
    students = summary[summary["baseline"] != "teacher"]
    return any(len(pareto_front(part)) > 1 for _, part in students.groupby("place"))


def times(costs: pd.DataFrame, order: Sequence[str]) -> Figure:
    """Training seconds by role, of each baseline and of the whole sweep.

    Args:
        costs: of `costs.costs`.
        order: the baselines.
    """
    places = list(dict.fromkeys(costs["place"]))
    names = [name for name in (*order, "all") if name in set(costs["baseline"])]
    with styled():
        figure, axes = panels([0.33 * (len(names) + 1)] * len(places), places)
        for one, where in zip(axes, places, strict=True):
            part = costs[costs["place"] == where]
            wide = part.pivot(index="baseline", columns="role", values="seconds").reindex(names).fillna(0.0)
            left = pd.Series(0.0, index=wide.index)
            for role, colour in zip(Role, PALETTE, strict=False):
                if role in wide:
                    one.barh(range(len(names)), wide[role], left=left, height=0.65, color=colour, label=str(role))
                    left += wide[role]
            rows(one, names)
        axes[-1].set_xlabel("training seconds of all models")
        legend(figure, axes, [str(role) for role in Role])
    return figure
