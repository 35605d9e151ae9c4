"""Which cells of a grid may be looked at on test images: the chosen one and the default. All else is compared on
validation images, in a report and on the terminal alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hpmkd.audit.grids import Grid, grids_of, places
from hpmkd.config.sweep import SweepConfig
from hpmkd.config.words import EPOCHS, NUMBERS
from hpmkd.plan.catalog import baseline_of

if TYPE_CHECKING:
    import pandas as pd

VALIDATION = "validation_accuracy_pct"
# Settings with several values, numbers and modes; switches that are on or off belong to the ablation. Nobody chooses
# among numbers of epochs: what more of them buy is a question of cost.
KEYS = (
    *dict.fromkeys(key for keys in NUMBERS.values() for key in keys if key != EPOCHS),
    "fitnets.schedule", "hpmkd.weighting", "hpmkd.schedule",
)  # fmt: skip
# Grids over these alone have sections of their own.
_OTHERS = {"hpmkd.chain_length", "takd.steps", "hpmkd.teachers"}
_THEIRS = _OTHERS | {"hpmkd.weighting", "hpmkd.chain"}


def grids_by_validation(config: SweepConfig | None) -> list[Grid]:
    """The grids whose cells are chosen among, so that validation images have to choose."""
    found = grids_of(config, KEYS)
    return [one for one in found if not (set(one.keys) <= _THEIRS and _OTHERS & set(one.keys))]


def by_run(part: pd.DataFrame, column: str, grid: Grid) -> pd.DataFrame:
    """Run x cell, of the students of one place; cells without a number are left out."""
    known = part[part[column].notna()]
    wide = known.pivot_table(index="run", columns="baseline", values=column, aggfunc="mean")
    return wide[[label for label in grid.cells.values() if label in wide]]


def candidates(grid: Grid, part: pd.DataFrame) -> pd.DataFrame | None:
    """Run x cell, accuracy on validation images: the cells with every run of the one that has most; None with fewer
    than two cells that are trained."""
    wide = by_run(part, VALIDATION, grid)
    if wide.shape[1] < 2:
        return None
    runs = wide[wide.notna().sum().idxmax()].dropna().index
    return wide.loc[runs].dropna(axis=1)


def usual_in(grid: Grid, complete: pd.DataFrame) -> str | None:
    """The cell with the config's own values, where it is a candidate."""
    usual = grid.cells.get(grid.usual)
    return usual if usual in complete else None


def ranked(wide: pd.DataFrame, usual: str | None) -> pd.Series:
    """Means, the highest first; of equal ones the usual cell, then the first in the grid."""
    means = wide.mean()
    order = sorted(means.index, key=lambda name: (-round(float(means[name]), 9), name != usual))
    return means[order]


def unchosen(frame: pd.DataFrame, config: SweepConfig | None) -> pd.Index:
    """The rows of cells that come from `vary` and are neither the chosen one nor the default. What `baselines` names is
    asked for by itself, and stays.

    Args:
        frame: of `results.collect`.
        config: of the sweep; None: not known, so nothing is a grid.
    """
    made = frame.index[:0]
    if config is None or not config.vary:
        return made
    named = {baseline_of(config, entry).label for entry in config.baselines}
    grids = grids_by_validation(config)
    for _, part in places(frame):
        for grid in grids:
            complete = candidates(grid, part)
            if complete is None:
                continue
            usual = usual_in(grid, complete)
            shown = {str(ranked(complete, usual).index[0]), usual} | named
            trained = set(by_run(part, VALIDATION, grid).columns)
            made = made.union(part.index[part["baseline"].isin(trained - shown)])
    return made


def unchosen_text(baselines: pd.Series, where: str = "") -> list[str]:
    """What is said where cells of a grid are left out.

    Args:
        baselines: of their models.
        where: they are compared.
    """
    number = baselines.nunique()
    if not number:
        return []
    cells = f"{number:,} cells of grids are" if number > 1 else "A cell of a grid is"
    return [
        f"{cells} compared on validation images alone{where}: whoever chooses among them by test images finds luck. "
        "Test accuracy is shown of the chosen cells, of the defaults, and of what `baselines` names."
    ]
