"""Calibration, agreement with the teacher, and confusions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap, ListedColormap
from matplotlib.figure import Figure

from hpmkd.analysis.measure_groups import TEACHER, Group
from hpmkd.analysis.plots.squares import squares
from hpmkd.analysis.plots.style import PALETTE, TEXT, colours, panels, rows, styled
from hpmkd.audit.measure_tables import by_place, summary

_ROW = 0.33  # inches
_GREY = PALETTE[-1]
_FEW_CLASSES = 20
# From nothing to the palette's red: on white and on black alike.
_ERRORS = LinearSegmentedColormap.from_list("errors", [(0.8, 0.3, 0.36, 0.0), (0.8, 0.3, 0.36, 1.0)])


def calibration(frame: pd.DataFrame, order: Sequence[str]) -> Figure:
    """Calibration error of each baseline: hollow as it is, filled with the fitted temperature; means over the models.

    Args:
        frame: of `results.collect`.
        order: the baselines, the first on top.
    """
    return _pairs(frame, order, hollow="ece_pct", filled="ece_scaled_pct", label="ECE, %", runs=False)


def agreement(frame: pd.DataFrame, order: Sequence[str]) -> Figure:
    """Agreement with the teacher: filled over all test images, hollow over those that it gets wrong; dots: runs."""
    columns = {"hollow": "agreement_on_errors_pct", "filled": "agreement_pct"}
    return _pairs(frame, order, **columns, label="agreement, %", runs=True)


def _pairs(frame: pd.DataFrame, order: Sequence[str], hollow: str, filled: str, label: str, runs: bool) -> Figure:
    table, models = summary(frame), by_place(frame)
    table = table[table[[hollow, filled]].notna().any(axis=1)]
    places = list(dict.fromkeys(table["place"]))
    shade = {TEACHER: _GREY, **colours(order)}
    shown = {name: [one for one in shade if one in set(part["baseline"])] for name, part in table.groupby("place")}
    with styled():
        figure, axes = panels([_ROW * (len(shown[name]) + 1) for name in places], places)
        for one, where in zip(axes, places, strict=True):
            part = table[table["place"] == where].set_index("baseline")
            for place, name in enumerate(shown[where]):
                first, last = part.loc[name, hollow], part.loc[name, filled]
                one.plot([first, last], [place] * 2, lw=1.2, alpha=0.6, color=shade[name])
                one.plot(first, place, "o", ms=6, mec=shade[name], mfc="none", mew=1.5)
                one.plot(last, place, "o", ms=6, mew=0, color=shade[name])
                if runs and name != TEACHER:
                    mine = models[(models["place"] == where) & (models["baseline"] == name)]
                    one.plot(mine[filled], [place + 0.22] * len(mine), "o", ms=2.5, mew=0, alpha=0.7, color=shade[name])
            rows(one, shown[where])
        axes[-1].set_xlabel(label)
    return figure


def titles(found: Sequence[Group]) -> list[str]:
    """Of a panel for each; several places are told apart by their names."""
    several = len({one.place for one in found}) > 1
    return [f"{one.place}: {one.baseline}" if several else one.baseline for one in found]


def reliability(found: Sequence[Group], order: Sequence[str]) -> Figure:
    """Reliability diagrams (Guo et al. 2017): accuracy of the images of a bin over their mean confidence; a dot's area
    is the bin's share of the images. Solid: as it is; dashed: with the fitted temperature; on the diagonal is best."""
    shade = {TEACHER: _GREY, **colours(order)}
    with styled():
        figure, axes = squares(titles(found), columns=3, left=0.5, gap=0.15, foot=0.25)
        for number, (one, group) in enumerate(zip(axes, found, strict=True)):
            colour = shade.get(group.baseline, _GREY)
            one.plot([0, 1], [0, 1], lw=0.8, color=TEXT, alpha=0.5)
            for bins, dashes in ((group.scaled, "--"), (group.reliability, "-")):
                if bins is None:
                    continue
                images, right, confidence = (row[bins[0] > 0] for row in bins)
                x, y = confidence / images, right / images
                one.plot(x, y, dashes, lw=1.1, color=colour, alpha=1.0 if dashes == "-" else 0.7)
                if dashes == "-":
                    one.scatter(x, y, s=4 + 70 * images / images.sum(), color=colour, alpha=0.55, linewidths=0)
            one.set(xlim=(-0.03, 1.03), ylim=(-0.03, 1.03), xticks=[0, 0.5, 1], yticks=[0, 0.5, 1])
            if number % 3:
                one.set_yticklabels([])
        height = figure.get_figheight()
        figure.text(0.5, 0.06 / height, "confidence", ha="center", fontsize=8.5)
        figure.text(0.02, 0.5, "accuracy", va="center", rotation=90, fontsize=8.5)
    return figure


def confusion(found: Sequence[Group]) -> Figure:
    """Confusion matrices, a row per true class: how many percent of its images are taken for another class. The
    diagonal, the images that are right, is left grey; the colour is the same in all matrices of the figure."""
    known = [(one, one.confusion_pct) for one in found if one.confusion is not None]
    errors = [np.where(np.eye(len(part), dtype=bool), np.nan, part) for _, part in known if part is not None]
    top = max((float(np.nanmax(part)) for part in errors if np.isfinite(part).any()), default=0.0) or 1.0
    with styled():
        figure, axes = squares(titles([one for one, _ in known]), columns=2, left=0.3, gap=0.32, foot=0.6)
        for one, part in zip(axes, errors, strict=True):
            classes = len(part)
            if classes <= _FEW_CLASSES:
                places = np.arange(0, classes, 1 if classes <= 12 else 2)
                one.set_xticks(places + 0.5, [str(name) for name in places])
                one.set_yticks(places + 0.5, [str(name) for name in places])
            one.set(xlim=(0, classes), ylim=(classes, 0))
            one.grid(visible=False)
            one.tick_params(length=0)
        drawn = [_heat(one, part, top) for one, part in zip(axes, errors, strict=True)]
        height = figure.get_figheight()
        bar = figure.colorbar(
            drawn[0], cax=figure.add_axes((0.1, 0.36 / height, 0.8, 0.08 / height)), orientation="horizontal"
        )
        bar.set_label("% of the true class's images (rows: true, columns: predicted)", fontsize=8, labelpad=1)
        bar.ax.tick_params(labelsize=7)
    return figure


def _heat(axes: Axes, part: np.ndarray, top: float) -> ScalarMappable:
    """Squares, grey on the diagonal; of many classes an image, which stays small."""
    classes = len(part)
    if classes > _FEW_CLASSES:
        place = (0, classes, classes, 0)
        return axes.imshow(part, cmap=_ERRORS, vmin=0, vmax=top, extent=place, interpolation="nearest", aspect="auto")
    right = np.ma.masked_array(np.ones_like(part), ~np.eye(classes, dtype=bool))
    axes.pcolormesh(right, cmap=ListedColormap([_GREY]), alpha=0.25)
    # What is nothing is not drawn: most pairs of classes are never confused.
    shown = np.ma.masked_where(~(part > 0), part)
    return axes.pcolormesh(shown, cmap=_ERRORS, vmin=0, vmax=top)
