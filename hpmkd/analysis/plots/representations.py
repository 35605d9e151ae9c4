"""What layers make of images: similarities, a row of runs per baseline, fidelity, maps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from scipy import stats as scipy_stats

from hpmkd.analysis.plots.squares import squares
from hpmkd.analysis.plots.style import PALETTE, TEXT, colours, legend, marks, panels, rows, styled
from hpmkd.store.representation_file import Scatter

_ROW = 0.33  # inches
_GREY = PALETTE[-1]
_FEW = 8  # more panels are smaller
_DASHES = ("--", ":", "-.")
_ALIKE = LinearSegmentedColormap.from_list("alike", [(0.24, 0.52, 0.78, 0.0), (0.24, 0.52, 0.78, 0.85)])
Floats = npt.NDArray[np.float64]


def heat_maps(found: Sequence[tuple[str, Sequence[str], Sequence[str], Floats]]) -> Figure:
    """CKA of layers with layers, on one colour scale for all panels: from the lowest tenth that is there to 1.

    Args:
        found: of each panel its title, the names of rows and columns, and the values.
    """
    columns = 2 if len(found) <= _FEW else 3
    size = 7.5 if columns == 2 else 6.0
    known = [value for _, _, _, values in found for value in values[np.isfinite(values)]]
    low = float(np.clip(np.floor(10 * min(known, default=0.0)) / 10, 0.0, 0.9))
    with styled():
        figure, axes = squares([one[0] for one in found], columns, left=0.3, gap=0.3, foot=0.55)
        for one, (_, down, across, values) in zip(axes, found, strict=True):
            one.pcolormesh(np.ma.masked_invalid(np.clip(values, low, 1)), cmap=_ALIKE, vmin=low, vmax=1)
            for (i, j), value in np.ndenumerate(values):
                one.text(j + 0.5, i + 0.5, _short(value), ha="center", va="center", size=size)
            one.set_xticks(np.arange(len(across)) + 0.5, list(across))
            one.set_yticks(np.arange(len(down)) + 0.5, list(down))
            one.set(xlim=(0, len(across)), ylim=(len(down), 0))
            one.grid(visible=False)
            one.tick_params(length=0)
        height = figure.get_figheight()
        scale = ScalarMappable(mpl.colors.Normalize(low, 1), _ALIKE)
        bar = figure.colorbar(
            scale, cax=figure.add_axes((0.1, 0.34 / height, 0.8, 0.08 / height)), orientation="horizontal"
        )
        bar.set_label("CKA", fontsize=8, labelpad=1)
        bar.ax.tick_params(labelsize=7)
    return figure


def _short(value: float) -> str:
    """`.93`, `1.0`, `-.02`; nothing where it is not known."""
    if not np.isfinite(value):
        return ""
    text = f"{value:.2f}"
    return "1.0" if text == "1.00" else text.replace("0.", ".", 1)


def dots(
    values: pd.DataFrame, order: Sequence[str], label: str, lines: Mapping[str, Mapping[str, float]], several: bool
) -> Figure:
    """A panel per place, a row per baseline: single runs, their mean and its 95 % interval (Student's t).

    Args:
        values: a row each: `place`, `baseline`, `value`.
        order: the baselines, the first on top.
        label: of the axis.
        lines: name -> place -> a number that is drawn through the whole panel.
        several: there are several places, so that each needs its name.
    """
    places, shade = list(dict.fromkeys(values["place"])), colours(order)
    shown = {place: [one for one in order if one in set(part["baseline"])] for place, part in values.groupby("place")}
    with styled():
        heights = [_ROW * (len(shown[one]) + 1) for one in places]
        figure, axes = panels(heights, [str(one) if several else "" for one in places])
        for one, place in zip(axes, places, strict=True):
            mine = values[values["place"] == place]
            for at, name in enumerate(shown[place]):
                _runs(one, at, mine.loc[mine["baseline"] == name, "value"].to_numpy(dtype=float), shade[name])
            for dash, (name, numbers) in zip(_DASHES, lines.items(), strict=False):
                if place in numbers:
                    one.axvline(numbers[place], ls=dash, lw=1.2, color=TEXT, alpha=0.75, label=name)
            rows(one, shown[place])
            one.locator_params(axis="x", nbins=6)
        axes[-1].set_xlabel(label)
        if lines:
            legend(figure, axes, list(lines))
    return figure


def _runs(axes: Axes, at: int, values: Floats, colour: str) -> None:
    axes.plot(values, [at + 0.18] * len(values), "o", ms=3.5, mew=0, alpha=0.75, color=colour)
    mean, sd = values.mean(), values.std(ddof=1) if len(values) > 1 else 0.0
    if sd > 0:
        reach = float(scipy_stats.t.isf(0.025, len(values) - 1)) * sd / np.sqrt(len(values))
        axes.plot([mean - reach, mean + reach], [at - 0.12] * 2, lw=1.8, color=colour)
    axes.plot(mean, at - 0.12, "D", ms=5, color=colour)


def fidelity(values: pd.DataFrame, teachers: Mapping[str, float], order: Sequence[str], several: bool) -> Figure:
    """Accuracy over agreement with the teacher: small, single students; large, the means of baselines.

    Args:
        values: a row per student: `place`, `baseline`, `agreement_pct`, `accuracy_pct`.
        teachers: place -> the teacher's accuracy, percent, dashed.
        order: the baselines.
        several: as above.
    """
    groups, shade, mark = list(values.groupby("place", sort=False)), colours(order), marks(order)
    with styled():
        figure, axes = panels([2.5] * len(groups), [str(place) if several else "" for place, _ in groups])
        for one, (place, part) in zip(axes, groups, strict=True):
            for name in [one for one in order if one in set(part["baseline"])]:
                mine = part.loc[part["baseline"] == name, ["agreement_pct", "accuracy_pct"]].astype(float)
                one.plot(*mine.to_numpy().T, mark[name], ms=3.5, mew=0, alpha=0.55, color=shade[name])
                one.plot(*mine.mean(), mark[name], ms=8, mec=TEXT, mew=0.6, color=shade[name], label=name)
            if np.isfinite(teachers.get(str(place), np.nan)):
                one.axhline(teachers[str(place)], ls="--", lw=1, color=TEXT, alpha=0.7)
            one.set_ylabel("test accuracy, %")
        axes[-1].set_xlabel("agreement with the teacher, %")
        legend(figure, axes, order)
    return figure


def maps(found: Sequence[tuple[str, Scatter]]) -> Figure:
    """Embeddings in the plane, a colour per class."""
    columns = 2 if len(found) <= _FEW else 3
    classes = max(int(one.labels.max()) for _, one in found) + 1
    wheel = mpl.colormaps["hsv"](np.linspace(0, 1, classes, endpoint=False)) * [0.85, 0.85, 0.85, 1]
    palette = np.array([mpl.colors.to_rgba(one) for one in PALETTE]) if classes <= len(PALETTE) else wheel
    with styled():
        figure, axes = squares([title for title, _ in found], columns, left=0.1, gap=0.15, foot=0.02, ticks=0.1)
        for one, (_, drawn) in zip(axes, found, strict=True):
            # As a picture inside the page: some thousand single circles would be megabytes of it.
            one.scatter(
                drawn.points[:, 0], drawn.points[:, 1], s=5, c=palette[drawn.labels], lw=0, alpha=0.8, rasterized=True
            )
            one.set(xticks=[], yticks=[])
            one.grid(visible=False)
    return figure
