"""What one student of each baseline costs, by itself and with its share of what students have in common."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from hpmkd.analysis import stats
from hpmkd.analysis.experiments.cost import Costs
from hpmkd.audit.chosen import unchosen
from hpmkd.audit.grids import places
from hpmkd.audit.places import with_untaught
from hpmkd.audit.sweep_dir import Saved

# How many students share teachers, assistants, search and logits caches; infinitely many: these are there already.
STUDENTS = (1.0, 5.0, 20.0, math.inf)
MULTIPLY_ADDS, SECONDS = "multiply_adds", "seconds"
MEASURES = {MULTIPLY_ADDS: "multiply-adds", SECONDS: "seconds"}


def students_text(students: float) -> str:
    """`1`, `20`, `∞`."""
    return "∞" if math.isinf(students) else f"{students:g}"


@dataclass(frozen=True)
class CostPoints:
    """The baselines of one place, in the runs that they have in common.

    Args:
        place: its name.
        wide: accuracy in percent, run x baseline.
        own: measure -> the same of what each student costs by itself.
        shared: measure -> by baseline, what its students learn from costs, each model counted once.
    """

    place: str
    wide: pd.DataFrame
    own: dict[str, pd.DataFrame]
    shared: dict[str, pd.Series]

    @property
    def measures(self) -> list[str]:
        """Those that are known of all baselines."""
        return [
            name
            for name in MEASURES
            if np.isfinite(self.own[name].to_numpy()).all() and np.isfinite(self.shared[name].to_numpy()).all()
        ]

    def cost(self, measure: str, students: float) -> pd.Series:
        """Of one student by baseline, where so many share the rest."""
        return self.own[measure].mean() + self.shared[measure] / students

    def on_frontier(self, measure: str, students: float) -> pd.Series:
        """Whether nothing is better for no more, by baseline."""
        means = self.wide.mean().round(9).to_numpy()
        return pd.Series(stats.frontier(self.cost(measure, students).to_numpy(), means), index=self.wide.columns)

    def shares(self, measure: str, students: float) -> pd.Series:
        """In which part of resampled sweeps it is so."""
        shared = (self.shared[measure] / students).to_numpy()
        made = stats.frontier_shares(self.own[measure].to_numpy(), shared, self.wide.to_numpy())
        return pd.Series(made, index=self.wide.columns)


def points_in(frame: pd.DataFrame, saved: Saved, order: Sequence[str]) -> Iterator[CostPoints]:
    """The places of a sweep with two baselines or more whose cost is known by the plan; cells that only validation
    images compare are left out, and so are baselines that lack a run of the one that has most.

    Args:
        frame: of `results.collect`.
        saved: the sweep.
        order: of the baselines.
    """
    if not saved.jobs:
        return
    costs, shown = Costs(frame, saved), with_untaught(frame.drop(unchosen(frame, saved.config)))
    for place, part in places(shown):
        wide = part.pivot_table(index="run", columns="baseline", values="accuracy_pct", aggfunc="mean", sort=False)
        wide = wide.loc[wide[wide.notna().sum().idxmax()].dropna().index].dropna(axis=1)
        wide = wide[sorted(wide.columns, key=lambda name: order.index(name) if name in order else len(order))]
        made = _points(place, wide, part, costs)
        if wide.shape[1] > 1 and made.measures:
            yield made


def _points(place: str, wide: pd.DataFrame, part: pd.DataFrame, costs: Costs) -> CostPoints:
    stems = part["file"].str.rpartition(".")[0]
    known = part.assign(stem=stems).drop_duplicates(["baseline", "run"])
    known = known.assign(
        seconds=known["train_seconds"].astype(float),
        multiply_adds=[costs.work.get(stem, math.nan) for stem in known["stem"]],
    )
    own = {
        name: known.pivot(index="run", columns="baseline", values=name).reindex(index=wide.index, columns=wide.columns)
        for name in MEASURES
    }
    parents = {str(name): costs.parents(known[known["baseline"] == name]) for name in wide.columns}
    shared = {
        MULTIPLY_ADDS: pd.Series({name: costs.multiply_adds(found) for name, found in parents.items()}, dtype=float),
        SECONDS: pd.Series({name: costs.seconds(found) for name, found in parents.items()}, dtype=float),
    }
    return CostPoints(place, wide, own, {name: values.reindex(wide.columns) for name, values in shared.items()})
