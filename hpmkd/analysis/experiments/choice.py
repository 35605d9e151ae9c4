"""Choosing a cell of a grid on validation images, and what the choice is worth on test images."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from hpmkd.analysis.experiments.contrast import tested
from hpmkd.audit.chosen import VALIDATION, by_run, candidates, ranked, usual_in
from hpmkd.audit.grids import Grid

# Points below the best cell within which a cell counts as good as it.
NEAR = 0.5
_TEST = "accuracy_pct"


@dataclass(frozen=True)
class Choice:
    """One grid in one place.

    Args:
        grid: its cells.
        runs: those that all candidates have: the cells with every run of the one that has most.
        validation: mean accuracy on validation images over these runs by candidate, percent, the best first.
        usual: the baseline with the config's own values, where it is a candidate.
        regret: by run, how much the usual cell is below the chosen one on validation images, points.
        test: the chosen and the usual cell's mean test accuracy, percent. No other test accuracy is ever looked at,
            but for `anew`.
        gain: by run, the chosen minus the usual cell on test images, points.
        anew: the same, where each run is tested with the cell that validation images of the other runs choose: so no
            model is tested that was chosen for its own luck. Empty for a single run.
    """

    grid: Grid
    runs: tuple[int, ...]
    validation: pd.Series
    usual: str | None
    regret: pd.Series
    test: dict[str, float]
    gain: pd.Series
    anew: pd.Series

    @property
    def chosen(self) -> str:
        """The best on validation images."""
        return str(self.validation.index[0])

    @property
    def near(self) -> int:
        """How many candidates are within `NEAR` points of the best, itself included."""
        return int((self.validation >= self.validation.iloc[0] - NEAR).sum())


def choose(grid: Grid, part: pd.DataFrame) -> Choice | None:
    """The choice among the cells that are trained; None with fewer than two of them.

    Args:
        grid: the cells.
        part: students of one place.
    """
    complete = candidates(grid, part)
    if complete is None:
        return None
    runs, usual = complete.index, usual_in(grid, complete)
    means = ranked(complete, usual)
    chosen = str(means.index[0])
    test = by_run(part, _TEST, grid).reindex(index=runs)
    compared = [name for name in (chosen, usual) if name is not None and name in test]
    empty = pd.Series(dtype="float64")
    return Choice(
        grid, tuple(map(int, runs)), means, usual,
        regret=complete[chosen] - complete[usual] if usual else empty,
        test={name: float(test[name].mean()) for name in compared},
        gain=test[chosen] - test[usual] if usual and len({*compared}) == len({chosen, usual}) else empty,
        anew=_anew(complete, test, usual) if usual else empty,
    )  # fmt: skip


def _anew(validation: pd.DataFrame, test: pd.DataFrame, usual: str) -> pd.Series:
    """See `Choice.anew`."""
    made = {}
    for run in validation.index if len(validation) > 1 else ():
        chosen = str(ranked(validation.drop(index=run), usual).index[0])
        if chosen in test and usual in test:
            made[run] = float(test.loc[run, chosen] - test.loc[run, usual])
    return pd.Series(made, dtype="float64").dropna()


def distances(choice: Choice, part: pd.DataFrame) -> pd.DataFrame:
    """Of every trained cell, on validation images: `label`, `n`, `mean_pct`, `sd_pct` over its own runs, and its paired
    difference to the chosen cell in points with a 95 % interval: `difference`, `low`, `high`."""
    wide = by_run(part, VALIDATION, choice.grid)
    found = tested({str(name): wide[name] - wide[choice.chosen] for name in wide if name != choice.chosen})
    about = pd.DataFrame({"label": wide.columns, "n": wide.notna().sum().to_numpy()})
    about = about.assign(mean_pct=wide.mean().to_numpy(), sd_pct=wide.std(ddof=1).to_numpy())
    found = found.rename(columns={"name": "label"})[["label", "difference", "low", "high"]]
    return about.merge(found, on="label", how="left")
