"""What accuracy costs, in sentences that are computed from their tables."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from hpmkd.analysis.experiments.contrast import evidence, listed
from hpmkd.analysis.experiments.cost import scaled
from hpmkd.analysis.experiments.cost_points import MEASURES
from hpmkd.numeric import fixed, is_defined

Rows = Sequence[Mapping[str, Any]]
_FEW = 6  # names that a sentence lists
_WHO = {1.0: "that pays for all that it learns from", math.inf: "for which all that it learns from is there already"}


def amount(value: float) -> str:
    """Multiply-adds: `3.62 T`."""
    return scaled(value).lstrip("+")


def sentences(fronts: Rows, prices: Rows, equal: Rows, direct: bool) -> list[str]:
    """Of one place.

    Args:
        fronts: the rows of costs and frontiers.
        prices: of what a point costs.
        equal: of comparisons at equal cost.
        direct: whether there is Direct.
    """
    made = [
        _front(measure, students, rows)
        for measure in dict.fromkeys(str(row["measure"]) for row in fronts)
        for students in _WHO
        if (rows := [row for row in fronts if (row["measure"], row["students"]) == (measure, students)])
    ]
    return [*made, *_prices(prices, direct), *_equal(equal)]


def _front(measure: str, students: float, rows: Rows) -> str:
    on = sorted((row for row in rows if row["on"]), key=lambda row: row["cost"])
    said = [
        str(row["name"]) + (f" ({fixed(row['share_pct'], 0)} %)" if is_defined(row["share_pct"]) else "")
        for row in on[:_FEW]
    ]
    said += [f"{len(on) - _FEW} others"] if len(on) > _FEW else []
    few = " (one run each: it may be chance)" if rows[0]["runs"] < 2 else " (in brackets: of resamples of the runs)"
    return (
        f"By {MEASURES[measure]} of a student {_WHO[students]}, nothing is better for no more than {listed(said)}; "
        f"{len(rows) - len(on)} of {len(rows)} baselines are beaten{few}."
    )


def _prices(rows: Rows, direct: bool) -> list[str]:
    if not direct:
        return []
    if not rows:
        return ["No baseline is shown to be above Direct, so that no point of accuracy has a price."]
    made = []
    for name in list(dict.fromkeys(str(row["name"]) for row in rows))[:_FEW]:
        own = {row["students"]: row for row in rows if row["name"] == name}
        first, last = own[1.0], own.get(math.inf)
        if first["more"] <= 0:
            made.append(f"{name} is above Direct and costs no more: {evidence(first)}.")
            continue
        text = f"A point over Direct by {name} costs {_price(first)}"
        if last is not None:
            less = _price(last) if last["more"] > 0 else "nothing"
            text += f" where one student pays for all that it learns from, {less} where that is there already"
        made.append(f"{text}; {name} is above Direct by {evidence(first)}.")
    return made


def _price(row: Mapping[str, Any]) -> str:
    return (
        f"{amount(row['price'])} multiply-adds ({amount(row['price_low'])} to {amount(row['price_high'])}; "
        f"{fixed(row['trainings'], 1)} trainings of Direct)"
    )


def _equal(rows: Rows) -> list[str]:
    made = []
    for students, who in _WHO.items():
        own = [row for row in rows if row["students"] == students and row["n"] > 1]
        found: dict[str, dict[str, None]] = {}
        for row in own:
            found.setdefault(str(row["finding"]), {})[str(row["name"])] = None
        if not found:
            continue
        said = [
            f"{text}: {_names(list(found[word]))}"
            for word, text in (
                ("better", "shown to be better"), ("worse", "shown to be worse"), ("not shown", "no difference shown"),
                ("not measured", "Direct was not trained for as much"),
            )
            if word in found
        ]  # fmt: skip
        made.append(f"Against Direct of equal multiply-adds, of a student {who}: {'; '.join(said)}.")
    if rows and not made:
        made.append("Against Direct of equal multiply-adds, one run each shows nothing.")
    return made


def _names(names: Sequence[str]) -> str:
    return listed(names) if len(names) <= _FEW else f"{', '.join(names[:_FEW])} and {len(names) - _FEW} others"
