"""Interactions of two components: a heat map, and two by two."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from hpmkd.analysis.plots.effects import LEVEL, parted
from hpmkd.analysis.plots.style import PALETTE, TEXT, WIDTH, panels, plain, styled
from hpmkd.numeric import fixed, is_defined

# Column -> what it is the mean accuracy of, in percent.
CORNERS = {"f11": "% both", "f10": "% first alone", "f01": "% second alone", "f00": "% neither"}
_SYNERGY, _HINDER, _GREY = PALETTE[0], PALETTE[1], PALETTE[9]


def heat_map(pairs: pd.DataFrame, several: bool) -> Figure:
    """A cell per pair of components; grey where no interaction is shown, empty where it is not known.

    Args:
        pairs: a row each: `place`, `method`, `first`, `second`, `difference`, `p_holm`.
        several: there is more than one place or method, so that each needs its name.
    """
    titles, parts = parted(pairs, several)
    with styled():
        names = [_names(part) for part in parts]
        figure, axes = panels([0.5 + 0.45 * (len(some) - 1) for some in names], titles)
        for one, part, some in zip(axes, parts, names, strict=True):
            _cells(one, part, some)
    return figure


def _names(part: pd.DataFrame) -> list[str]:
    """The components, in their order."""
    return list(dict.fromkeys([*map(str, part["first"]), *map(str, part["second"])]))


def _cells(axes: Axes, part: pd.DataFrame, names: Sequence[str]) -> None:
    rows = part.to_dict("records")
    most = max((abs(row["difference"]) for row in rows if is_defined(row["difference"])), default=0.0)
    for row in rows:
        place = (names.index(str(row["first"])) - 0.5, names.index(str(row["second"])) - 1.5)
        shown = bool(row["p_holm"] < LEVEL)
        colour = (_SYNERGY if row["difference"] > 0 else _HINDER) if shown else _GREY
        strength = 0.3 + 0.55 * abs(row["difference"]) / most if shown and most else 0.22
        axes.add_patch(Rectangle(place, 1, 1, fc=colour, alpha=strength, ec="none"))
        text = fixed(row["difference"], 2, sign=True)
        axes.text(place[0] + 0.5, place[1] + 0.5, text, ha="center", va="center", weight="bold" if shown else "normal")
    axes.set_xticks(range(len(names) - 1), [plain(name) for name in names[:-1]])
    axes.set_yticks(range(len(names) - 1), [plain(name) for name in names[1:]])
    axes.set_xlim(-0.5, len(names) - 1.5)
    axes.set_ylim(len(names) - 1.5, -0.5)
    axes.grid(visible=False)
    axes.tick_params(length=0)
    for side in ("left", "bottom"):
        axes.spines[side].set_visible(False)


def two_by_two(pairs: pd.DataFrame, several: bool) -> Figure:
    """A small plot per pair: accuracy without and with the first component, a line each without and with the second.

    Args:
        pairs: as above, with the columns of `CORNERS`.
        several: as above.
    """
    rows = [{str(name): value for name, value in row.items()} for row in pairs.to_dict("records")]
    height = -(-len(rows) // 2)
    with styled():
        figure = Figure(figsize=(WIDTH, (1.75 + 0.15 * several) * height), layout="constrained")
        axes = figure.subplots(height, 2, squeeze=False).flatten()
        for one, row in zip(axes, rows, strict=False):
            _lines(one, row, several)
        for one in axes[len(rows) :]:
            one.set_visible(False)
    return figure


def _lines(axes: Axes, row: dict[str, Any], several: bool) -> None:
    axes.plot([0, 1], [row["f00"], row["f10"]], "o--", ms=4.5, lw=1.4, mfc="none", color=_GREY)
    axes.plot([0, 1], [row["f01"], row["f11"]], "o-", ms=4.5, lw=1.6, color=_SYNERGY)
    low, high = min(row[name] for name in CORNERS), max(row[name] for name in CORNERS)
    room = 0.25 * (high - low) or 0.1
    axes.set_ylim(low - room, high + room)
    axes.set_xlim(-0.2, 1.2)
    axes.set_xticks([0, 1], [plain(f"no {row['first']}"), plain("with it")], size=7.5)
    axes.tick_params(axis="y", labelsize=7.5)
    where = f"{row['place']}, {row['method']}\n" if several else ""
    effect = fixed(row["difference"], 2, sign=True)
    axes.set_title(plain(f"{where}line: with {row['second']}\ndashed: without; I = {effect}"), size=7.5)
    axes.grid(visible=False, axis="x")
    axes.spines["left"].set_color(TEXT)
