"""What components buy and cost: a row per component."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from hpmkd.analysis.plots.style import PALETTE, TEXT, legend, panels, rows, styled

_ROW = 0.33  # inches
LEVEL = 0.05


def parted(table: pd.DataFrame, several: bool) -> tuple[list[str], list[pd.DataFrame]]:
    """The titles and the rows of each panel: one per place and method."""
    groups = list(table.groupby(["place", "method"], sort=False))
    return [f"{place}: {method}" if several else "" for (place, method), _ in groups], [part for _, part in groups]


def effects(table: pd.DataFrame, several: bool) -> Figure:
    """A forest plot: mean and 95 % interval; filled where p < .05 after Holm. Rows without a number are empty.

    Args:
        table: a row each, with `place`, `method`, `title`, `difference`, `low`, `high`, `p_holm`.
        several: there is more than one place or method, so that each needs its name.
    """
    titles, parts = parted(table, several)
    with styled():
        figure, axes = panels([_ROW * (len(part) + 1) for part in parts], titles)
        for one, part in zip(axes, parts, strict=True):
            for place, row in enumerate(part.to_dict("records")):
                colour = PALETTE[0] if place < 4 else PALETTE[9]
                if pd.notna(row["low"]):
                    one.plot([row["low"], row["high"]], [place] * 2, lw=1.8, color=colour)
                fill = colour if row["p_holm"] < LEVEL else "none"
                one.plot(row["difference"], place, "o", ms=6, mec=colour, mfc=fill, mew=1.5)
            one.axvline(0, lw=1, color=TEXT, alpha=0.7)
            rows(one, [str(title) for title in part["title"]])
        axes[-1].set_xlabel("percentage points that it buys")
    return figure


def shares(table: pd.DataFrame, several: bool) -> Figure:
    """Bars: the part of the full method's multiply-adds and seconds that a component costs.

    Args:
        table: a row each, with `place`, `method`, `title`, `multiply_adds_pct`, `seconds_pct`.
        several: as above.
    """
    titles, parts = parted(table, several)
    kinds = {"multiply_adds_pct": "multiply-adds", "seconds_pct": "seconds"}
    with styled():
        figure, axes = panels([1.3 * _ROW * (len(part) + 1) for part in parts], titles)
        for one, part in zip(axes, parts, strict=True):
            for number, (column, name) in enumerate(kinds.items()):
                heights = [place - 0.18 + 0.36 * number for place in range(len(part))]
                values = part[column].astype(float).fillna(0.0)
                one.barh(heights, values, height=0.32, color=PALETTE[number], label=name)
            one.axvline(0, lw=1, color=TEXT, alpha=0.7)
            rows(one, [str(title) for title in part["title"]])
        axes[-1].set_xlabel("% of what the full method costs")
        legend(figure, axes, list(kinds.values()))
    return figure
