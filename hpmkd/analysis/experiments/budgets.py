"""Students without a teacher that were trained for as much as others cost, and what equal cost gives."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import pandas as pd

from hpmkd.analysis.experiments.contrast import is_shown, records, tested
from hpmkd.analysis.experiments.cost_points import MULTIPLY_ADDS, STUDENTS, CostPoints
from hpmkd.audit.grids import root_of

DIRECT = "Direct"
# Costs that differ by no more are equal: numbers of epochs are whole.
NEAR = 0.02
COLUMNS = [
    "place", "students", "name", "cost", "to_direct", "mean_pct", "beside", "beside_cost", "n", "difference", "low",
    "high", "p", "p_holm", "finding", "epochs",
]  # fmt: skip


@dataclass(frozen=True)
class Beside:
    """The numbers of epochs of Direct that a cost is compared with: one that costs as much, or those on both sides."""

    equal: str | None
    below: str | None
    above: str | None

    @property
    def names(self) -> list[str]:
        """The cheaper first."""
        return [self.equal] if self.equal else [name for name in (self.below, self.above) if name]

    @property
    def text(self) -> str:
        """`Direct-epochs94`, `Direct to Direct-epochs94`, `above Direct-epochs94`."""
        if self.equal:
            return self.equal
        if self.below and self.above:
            return f"{self.below} to {self.above}"
        return f"beyond {self.below}" if self.below else f"below {self.above}"


def directs(points: CostPoints) -> pd.Series:
    """Cost of each number of epochs of Direct, the cheapest first; a mean of their own is all that they cost."""
    names = [name for name in points.wide.columns if root_of(str(name)) == DIRECT]
    return points.cost(MULTIPLY_ADDS, math.inf)[names].sort_values()


def beside(cost: float, known: pd.Series) -> Beside:
    """Where a cost lies among those of Direct."""
    near = (known / cost - 1).abs()
    if near.min() <= NEAR:
        return Beside(str(near.idxmin()), None, None)
    below, above = known[known < cost], known[known > cost]
    return Beside(
        None,
        str(below.index[-1]) if len(below) else None,
        str(above.index[0]) if len(above) else None,
    )


def budgets(points: CostPoints, epochs: pd.Series) -> pd.DataFrame:
    """A row per number of sharing students, baseline and neighbour; nothing without two numbers of epochs of Direct.

    Args:
        points: of one place.
        epochs: of each baseline's students.

    Returns:
        Rows of `COLUMNS`. Holm is over all comparisons at one number of students. `finding` is that of the baseline:
        `better` and `worse` are said where both neighbours are passed, and one of them costs as much or is on the side
        that makes the claim safe: better than a dearer one, worse than a cheaper one. `epochs`: with how many Direct
        would cost as much.
    """
    known = directs(points)
    if len(known) < 2 or not (known > 0).all():
        return pd.DataFrame(columns=COLUMNS)
    others = [str(name) for name in points.wide.columns if name not in known.index]
    return pd.DataFrame(
        [row for students in STUDENTS for row in _at(points, students, known, others=others, epochs=epochs)],
        columns=COLUMNS,
    )


def _at(
    points: CostPoints, students: float, known: pd.Series, others: list[str], epochs: pd.Series
) -> list[dict[str, Any]]:
    costs, first = points.cost(MULTIPLY_ADDS, students), str(known.index[0])
    places = {name: beside(float(costs[name]), known) for name in others}
    pairs = [(name, other) for name, place in places.items() for other in place.names]
    if not pairs:
        return []
    found = tested({f"{name} {other}": points.wide[name] - points.wide[other] for name, other in pairs})
    rows = dict(zip(pairs, records(found), strict=True))
    made = []
    for name, other in pairs:
        tests = [rows[name, one] for one in places[name].names]
        row = {key: value for key, value in rows[name, other].items() if key != "name"}
        about = {"place": points.place, "students": students, "name": name, "cost": float(costs[name])}
        about |= {"to_direct": float(costs[name]) / float(known.iloc[0]), "mean_pct": float(points.wide[name].mean())}
        about |= {"beside": other, "beside_cost": float(known[other]), "finding": _finding(places[name], tests)}
        about["epochs"] = max(1, round(float(epochs[first]) * float(costs[name]) / float(known[first])))
        made.append({**about, **row})
    return made


def _finding(place: Beside, tests: list[dict[str, Any]]) -> str:
    better = all(is_shown(row) and row["difference"] > 0 for row in tests)
    worse = all(is_shown(row) and row["difference"] < 0 for row in tests)
    if better and (place.equal or place.above):
        return "better"
    if worse and (place.equal or place.below):
        return "worse"
    return "not shown" if place.equal or (place.below and place.above) else "not measured"
