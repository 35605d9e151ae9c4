"""What accuracy costs, in sentences that are computed from their tables."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from hpmkd.analysis.experiments.contrast import evidence, listed
from hpmkd.analysis.experiments.cost import scaled
from hpmkd.analysis.experiments.cost_points import MEASURES, MULTIPLY_ADDS
from hpmkd.data.source.listing import count
from hpmkd.numeric import fixed

Rows = Sequence[Mapping[str, Any]]
_FEW = 6  # names that a sentence lists
_SURE = 95  # percent of resamples
_UNTESTED = " (by mean accuracy and mean cost; nothing is tested)"
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
    made = [text for students in _WHO for text in _fronts([row for row in fronts if row["students"] == students])]
    return [*made, *_prices(prices, direct), *_equal(equal)]


def over_places(fronts: Rows, prices: Rows, equal: Rows, direct: bool) -> list[str]:
    """Of many places together; what is so in each of them stands in the tables. Arguments as in `sentences`."""
    made, places = [], len({row["place"] for row in fronts})
    for students, who in _WHO.items():
        mine = [row for row in fronts if row["students"] == students and row["measure"] == MULTIPLY_ADDS]
        best = [row["name"] for row in mine if row["on"]]
        words = "the best for what it costs is" if len(set(best)) == 1 else "the best for what they cost are"
        made.append(
            f"Counted in {MEASURES[MULTIPLY_ADDS]} of one student {who}, in {places} places: {words} "
            f"{_counted(best)}{_UNTESTED}."
        )
    made += _prices_over(prices, places) if direct else []
    for students, who in _WHO.items():
        own = [row for row in equal if row["students"] == students and row["finding"] in ("better", "worse")]
        # A baseline of a place may be compared with the two Directs on both sides of its cost.
        each = {(row["place"], row["name"]): f"{row['name']} is {row['finding']}" for row in own}
        if each:
            made.append(
                f"Against Direct of equal multiply-adds, of a student {who}, it is shown of {places} places that "
                f"{_counted(each.values())}."
            )
    return made


def _prices_over(prices: Rows, places: int) -> list[str]:
    first = [row for row in prices if row["students"] == 1.0]
    if not first:
        return [f"In none of {places} places a baseline is shown to be above Direct: no point of accuracy has a price."]
    made = []
    for name in list(dict.fromkeys(str(row["name"]) for row in first))[:_FEW]:
        own = [row for row in first if row["name"] == name]
        costs = [row["price"] for row in own if row["more"] > 0]
        price = f"; a point costs {_between(costs)} multiply-adds there, its teachers included" if costs else ""
        made.append(f"{name} is shown to be above Direct in {len(own)} of {places} places{price}.")
    return made


def _between(values: Sequence[float]) -> str:
    low, high = amount(min(values)), amount(max(values))
    return low if low == high else f"{low} to {high}"


def _counted(names: Iterable[Any]) -> str:
    """How often each comes, the most frequent first: `Direct in 9 and HPM-KD in 2`."""
    return listed([f"{name} in {number}" for name, number in Counter(map(str, names)).most_common(_FEW)])


def _fronts(rows: Rows) -> list[str]:
    """For one number of students; measures with the same frontier are told together."""
    found: dict[frozenset[str], list[str]] = {}
    for measure in dict.fromkeys(str(row["measure"]) for row in rows):
        on = frozenset(str(row["name"]) for row in rows if row["measure"] == measure and row["on"])
        found.setdefault(on, []).append(measure)
    return [_front(measures, [row for row in rows if row["measure"] == measures[0]]) for measures in found.values()]


def _front(measures: Sequence[str], rows: Rows) -> str:
    on = sorted((row for row in rows if row["on"]), key=lambda row: row["cost"])
    said = [f"{row['name']}{_how_sure(row)}" for row in on[:_FEW]]
    said += [count(len(on) - _FEW, "other")] if len(on) > _FEW else []
    few = " One run each: it may be chance." if rows[0]["runs"] < 2 else ""
    beaten = len(rows) - len(on)
    who, others = _WHO[rows[0]["students"]], "the other one" if beaten == 1 else f"each of the other {beaten}"
    rest = f"; {others} is beaten by one of these that costs no more" if beaten else ""
    return (
        f"Counted in {listed([MEASURES[one] for one in measures])} of one student {who}, "
        f"{len(on)} of {len(rows)} baselines {'is' if len(on) == 1 else 'are'} the best for what "
        f"{'it costs' if len(on) == 1 else 'they cost'}: {listed(said)}{rest}{_UNTESTED}.{few}"
    )


def _how_sure(row: Mapping[str, Any]) -> str:
    """Said where it is not so in nearly all resamples."""
    return f" (in {fixed(row['share_pct'], 0)} % of resamples)" if row["share_pct"] < _SURE else ""


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
    rest = count(len(names) - _FEW, "other")
    return listed(names) if len(names) <= _FEW else f"{', '.join(names[:_FEW])} and {rest}"
