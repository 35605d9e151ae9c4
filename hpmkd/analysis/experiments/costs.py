"""What accuracy costs: the frontier, the price of a point, and students without a teacher of equal cost."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from hpmkd.analysis.experiments import cost_tables as tables
from hpmkd.analysis.experiments import cost_words as words
from hpmkd.analysis.experiments.budgets import DIRECT, budgets
from hpmkd.analysis.experiments.contrast import is_shown, records, tested
from hpmkd.analysis.experiments.cost_points import MULTIPLY_ADDS, STUDENTS, CostPoints, points_in
from hpmkd.analysis.section import Section
from hpmkd.audit.grids import name_without
from hpmkd.audit.sweep_dir import Saved
from hpmkd.config.words import EPOCHS
from hpmkd.numeric import divide
from hpmkd.plan.catalog import baselines_of

MANY = 3  # places that are told, and drawn, one by one
_PRICES = ["place", "name", "n", "difference", "low", "high", "p_holm", "students", "more", "price", "price_low",
           "price_high", "trainings"]  # fmt: skip


def section(frame: pd.DataFrame, order: Sequence[str], saved: Saved) -> Section | None:
    """Of sweeps whose plan is known, with two baselines or more in a place; see `experiments.registry`."""
    found = list(points_in(frame, saved, order))
    if not found:
        return None
    several, names = len(found) > 1, _curves(saved)
    fronts = pd.concat([_fronts(one) for one in found], ignore_index=True)
    prices = pd.concat([_prices(one) for one in found], ignore_index=True)
    epochs = frame[frame["role"] == "student"].groupby("baseline")["epochs"].first()
    equal = pd.concat([budgets(one, epochs) for one in found], ignore_index=True)
    said = _sentences(found, fronts, prices, equal=equal)
    order = list(dict.fromkeys([name for name in order if name in set(fronts["name"])] + list(fronts["name"])))
    return Section(
        "costs",
        "What accuracy costs",
        tuple(said),
        tables=(*tables.front_tables(fronts, several)[:1], *[tables.price_table(prices, several)] * (len(prices) > 0)),
        drawings=tuple(tables.drawings(fronts, order, names, [one.place for one in found][:MANY])),
        folded=(
            *tables.front_tables(fronts, several)[1:],
            *[tables.budget_table(equal, several)] * (len(equal) > 0),
        ),
    )


def _sentences(
    found: Sequence[CostPoints], fronts: pd.DataFrame, prices: pd.DataFrame, equal: pd.DataFrame
) -> list[str]:
    """Of each place, where they are few; else of all together."""
    direct = {one.place: DIRECT in one.wide for one in found}
    if len(found) > MANY:
        return words.over_places(records(fronts), records(prices), records(equal), direct=any(direct.values()))
    said = []
    for place, has_direct in direct.items():
        front, price, budget = (records(table[table["place"] == place]) for table in (fronts, prices, equal))
        where = f"{place}: " if len(found) > 1 else ""
        said += [where + text for text in words.sentences(front, price, budget, direct=has_direct)]
    return said


def _curves(saved: Saved) -> dict[str, str]:
    """Baseline -> its name without a number of epochs."""
    assert saved.config is not None
    return {one.label: name_without(one, (EPOCHS,)) for one in baselines_of(saved.config)}


def _fronts(points: CostPoints) -> pd.DataFrame:
    """A row per measure, baseline and number of students that share the rest."""
    about = {str(row["name"]): row for row in records(tested({str(name): points.wide[name] for name in points.wide}))}
    rows: list[dict[str, Any]] = []
    for measure in points.measures:
        for students in STUDENTS:
            costs, on = points.cost(measure, students), points.on_frontier(measure, students)
            shares = points.shares(measure, students)
            for name in map(str, points.wide.columns):
                row: dict[str, Any] = {"place": points.place, "measure": measure, "students": students, "name": name}
                row |= {"runs": len(points.wide), "mean_pct": about[name]["difference"]}
                row |= {"low_pct": about[name]["low"], "high_pct": about[name]["high"], "cost": float(costs[name])}
                rows.append({**row, "on": bool(on[name]), "share_pct": 100 * float(shares[name])})
    return pd.DataFrame(rows)


def _prices(points: CostPoints) -> pd.DataFrame:
    """A row per number of students and baseline that is shown to be above Direct: multiply-adds more, for each point.

    The cost is counted, not measured, so that the interval of the price is that of the difference, upside down.
    """
    others = [str(name) for name in points.wide.columns if name != DIRECT]
    if DIRECT not in points.wide or MULTIPLY_ADDS not in points.measures or not others:
        return pd.DataFrame(columns=_PRICES)
    found = records(tested({name: points.wide[name] - points.wide[DIRECT] for name in others}))
    rows = []
    for row in (row for row in found if is_shown(row) and row["low"] > 0):
        shared = float(points.shared[MULTIPLY_ADDS][row["name"]]) > 0
        for students in STUDENTS if shared else (1.0,):
            costs = points.cost(MULTIPLY_ADDS, students)
            more = float(costs[row["name"]] - costs[DIRECT])
            prices = [divide(more, row[end]) for end in ("difference", "high", "low")]
            price = dict(zip(("price", "price_low", "price_high"), prices, strict=True))
            each = divide(price["price"], float(costs[DIRECT]))
            rows.append({"place": points.place, **row, "students": students, "more": more, **price, "trainings": each})
    return pd.DataFrame(rows, columns=_PRICES)
