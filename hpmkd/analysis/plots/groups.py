"""Baselines over data sets, conditions and pairs of networks at once."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
from matplotlib.figure import Figure

from hpmkd.analysis import stats
from hpmkd.analysis.plots.style import PALETTE, TEXT, colours, legend, panels, rows, styled
from hpmkd.numeric import is_defined

_ROW = 0.33  # inches
_DASHES = ("-", "--", "-.", ":")
# More bands, or more lines in one panel, cannot be told apart.
_MAX_BANDS, _LINES = 4, 7


def interquartile(means: pd.DataFrame, order: Sequence[str]) -> Figure:
    """Interquartile mean of retention and its 95 % interval, a row per baseline.

    Args:
        means: of `stats.interquartile_means`.
        order: the baselines, the first on top.
    """
    known = {row["baseline"]: row for row in means.to_dict("records")}
    names = [name for name in order if name in known]
    shade = colours(order)
    with styled():
        figure, (axes,) = panels([_ROW * (len(names) + 1)], ["Interquartile mean"])
        for place, name in enumerate(names):
            row = known[name]
            if is_defined(row["low"]):
                axes.plot([row["low"], row["high"]], [place] * 2, lw=1.8, color=shade[name])
            axes.plot(row["iqm"], place, "D", ms=5, color=shade[name])
        rows(axes, names)
        axes.set_xlabel("% of the teachers' accuracy")
    return figure


def performance_profiles(profile: pd.DataFrame, order: Sequence[str]) -> Figure:
    """Share of the runs whose retention is above a threshold, over the threshold; a panel for each seven baselines.

    Args:
        profile: of `stats.performance_profiles`.
        order: the baselines.
    """
    parts = dict(list(profile.groupby("baseline", sort=False)))
    names = [name for name in order if name in parts]
    shade = colours(order)
    # A colour that comes again has another dash.
    dash = {name: _DASHES[place // len(PALETTE) % len(_DASHES)] for place, name in enumerate(order)}
    shown = [names[start : start + _LINES] for start in range(0, len(names), _LINES)]
    with styled():
        figure, axes = panels([2.2] * len(shown), ["Performance profiles", *[""] * (len(shown) - 1)])
        for one, some in zip(axes, shown, strict=True):
            for name in some:
                part = parts[name]
                one.plot(part["threshold"], part["share"], dash[name], lw=1.6, color=shade[name], label=name)
                if has_bands(profile):
                    one.fill_between(part["threshold"], part["low"], part["high"], lw=0, alpha=0.15, color=shade[name])
            one.set_ylim(-0.02, 1.02)
            one.set_yticks([0, 0.25, 0.5, 0.75, 1])
            one.set_ylabel("share of runs above")
        axes[-1].set_xlabel("% of the teachers' accuracy")
        legend(figure, axes, order)
    return figure


def has_bands(profile: pd.DataFrame) -> bool:
    """Whether intervals are drawn: of few baselines, which can be told apart, and where there are several runs."""
    return profile["baseline"].nunique() <= _MAX_BANDS and bool(profile["low"].notna().any())


def critical_differences(tests: stats.RankTests, order: Sequence[str]) -> Figure:
    """Demsar's diagram, turned so that names of any length are legible: a row per baseline by mean rank, best on top.

    Vertical bars on the right join what is not shown to differ; the line on top is the critical difference.
    """
    known = dict(zip(tests.table["baseline"], tests.table["mean_rank"], strict=True))
    names, shade = list(known), colours(order)
    columns = _columns([(names.index(clique[0]), names.index(clique[-1])) for clique in tests.cliques])
    with styled():
        figure, (axes,) = panels([_ROW * (len(names) + 2)], ["Mean ranks and critical difference"])
        for place, name in enumerate(names):
            axes.plot([1, known[name]], [place] * 2, lw=0.8, alpha=0.5, color=shade[name])
            axes.plot(known[name], place, "D", ms=5, color=shade[name])
        right = max(float(len(names)), 1 + tests.critical_difference)
        step = 0.035 * (right - 1)
        for (first, last), column in columns:
            x = right + (column + 1) * step
            axes.plot([x, x], [first - 0.15, last + 0.15], lw=3, color=TEXT, solid_capstyle="butt")
        rows(axes, names)
        axes.set_ylim(len(names) - 0.4, -1.6)
        axes.plot([1, 1 + tests.critical_difference], [-0.8] * 2, "|-", lw=1.2, ms=7, color=TEXT)
        axes.text(1, -1.0, f"critical difference {tests.critical_difference:.2f}", size=8, va="bottom", color=TEXT)
        axes.set_xlim(1 - step, right + (2 + max((column for _, column in columns), default=-1)) * step)
        axes.set_xlabel("mean rank, 1 is best")
    return figure


def _columns(spans: Sequence[tuple[int, int]]) -> list[tuple[tuple[int, int], int]]:
    """Bars that overlap stand in different columns; each takes the first that is free."""
    ends: list[int] = []
    placed = []
    for first, last in spans:
        free = next((column for column, end in enumerate(ends) if end < first), len(ends))
        ends[free : free + 1] = [last]
        placed.append(((first, last), free))
    return placed
