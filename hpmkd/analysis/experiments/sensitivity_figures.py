"""The figures of a grid of settings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import pandas as pd

from hpmkd.analysis.experiments.choice import Choice
from hpmkd.analysis.experiments.contrast import records
from hpmkd.analysis.plots import grids as plots
from hpmkd.analysis.section import Drawing
from hpmkd.audit.grids import shown

MAX_PANELS = 12


@dataclass(frozen=True)
class Found:
    """A grid in one place, the choice there, every trained cell (see `choice.distances`), and what all of them cost:
    multiply-adds, seconds, both of all cells, then of one."""

    place: str
    choice: Choice
    cells: pd.DataFrame
    cost: tuple[float, float, float, float]


def drawings(found: Sequence[Found], several: bool) -> list[Drawing]:
    """Heat maps of grids over two settings or more, lines of those over one.

    Args:
        found: the grids.
        several: they are in several places.
    """
    made = []
    panels = [panel for one in found if len(one.choice.grid.keys) > 1 for panel in _panels(one, several)]
    if panels and len(panels) <= MAX_PANELS:
        figure, low, high = plots.heat_maps(panels)
        below = " (and below)" if any(value < low for panel in panels for value in panel.values.values()) else ""
        text = (
            f"Mean accuracy on validation images (not test images), percent. One colour scale for all: from {low:.2f}"
            f"{below} to {high:.2f}. Solid frame: chosen; dashed: the default."
        )
        made.append(Drawing("sensitivity", "Accuracy over the grid", lambda: figure, text))
    lines = [_line(one, several) for one in found if len(one.choice.grid.keys) == 1]
    if lines:
        text = (
            "Accuracy on validation images: difference to the chosen value in the same runs, mean and 95 % interval "
            "(Student's t). Filled: chosen; the vertical line: the default."
        )
        made.append(Drawing("sensitivity-lines", "Accuracy over one setting", partial(plots.lines, lines), text))
    return made


def _panels(one: Found, several: bool) -> list[plots.Panel]:
    """A heat map over the two keys with most values, for each combination of the others."""
    grid = one.choice.grid
    keys = sorted(grid.keys, key=lambda key: -len(grid.values(key)))[:2]
    keys = [key for key in grid.keys if key in keys]
    rest = [key for key in grid.keys if key not in keys]
    means = dict(zip(one.cells["label"], one.cells["mean_pct"], strict=True))
    places_of = [{value: at for at, value in enumerate(grid.values(key))} for key in keys]
    made: dict[str, plots.Panel] = {}
    for values, label in grid.cells.items():
        own = dict(zip(grid.keys, values, strict=True))
        other = "".join(f", {key} {shown(own[key])}" for key in rest)
        name = (f"{one.place}: " if several else "") + grid.name + other
        axes = [[shown(value) for value in places_of[at]] for at in (0, 1)]
        panel = made.setdefault(name, plots.Panel(name, (keys[0], keys[1]), (axes[0], axes[1]), {}, {}))
        place = (places_of[0][own[keys[0]]], places_of[1][own[keys[1]]])
        if label in means:
            panel.values[place] = float(means[label])
        panel.marks[place] = "chosen" if label == one.choice.chosen else "usual" if label == one.choice.usual else ""
    return [panel for panel in made.values() if panel.values]


def _line(one: Found, several: bool) -> plots.Line:
    grid, key = one.choice.grid, one.choice.grid.keys[0]
    known = {str(row["label"]): row for row in records(one.cells)}
    points = [
        (value, known[grid.cells[(value,)]], grid.cells[(value,)] == one.choice.chosen)
        for value in grid.values(key)
        if grid.cells[(value,)] in known
    ]
    usual = grid.usual[0] if one.choice.usual else None
    return plots.Line((f"{one.place}: " if several else "") + grid.name, key, points, usual)
