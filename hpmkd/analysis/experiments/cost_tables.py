"""Tables and figures of what accuracy costs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial

import pandas as pd

from hpmkd.analysis import stats
from hpmkd.analysis.experiments.budgets import NEAR
from hpmkd.analysis.experiments.contrast import SHARED
from hpmkd.analysis.experiments.cost_points import MEASURES, MULTIPLY_ADDS, SECONDS, STUDENTS, students_text
from hpmkd.analysis.experiments.cost_words import amount
from hpmkd.analysis.plots import frontier as plots
from hpmkd.analysis.section import Drawing, Format, Table, digits
from hpmkd.numeric import p_value, whole

_SIGNED = digits(2, sign=True)
_ENDS = (1.0, math.inf)
_SHARING = (
    "One student costs its own training and its share of what it learns from (teachers, assistants, search, logits "
    "caches, each counted once) where so many students use them: 1 pays for all of it, ∞ has it for nothing. "
)
_FROM = {
    MULTIPLY_ADDS: "Multiply-adds are counted by the plan: training steps alone, forward and backward. ",
    SECONDS: "Seconds are those of this sweep's files, from one machine or several, which may have done other work. ",
}


def _places(several: bool) -> dict[str, tuple[str, Format]]:
    return {"place": ("data set", str)} if several else {}


def front_tables(fronts: pd.DataFrame, several: bool) -> list[Table]:
    """One per measure: cost and frontier by baseline, for each number of students that share the rest."""
    made = []
    for measure in dict.fromkeys(fronts["measure"]):
        rows = fronts[fronts["measure"] == measure]
        about = ["place", "name", "runs", "mean_pct", "low_pct", "high_pct"]
        wide = rows[rows["students"] == 1][about].reset_index(drop=True)
        columns: dict[str, tuple[str, Format]] = {
            **_places(several), "name": ("baseline", str), "mean_pct": ("accuracy %", digits(2)),
            "low_pct": ("95 % from", digits(2)), "high_pct": ("to", digits(2)),
        }  # fmt: skip
        shown = amount if measure == MULTIPLY_ADDS else digits(1)
        for students in STUDENTS:
            own, text = rows[rows["students"] == students].reset_index(drop=True), students_text(students)
            wide[f"cost_{text}"], wide[f"frontier_{text}"] = own["cost"], own["share_pct"]
            wide[f"on_{text}"] = own["on"]
            columns |= {f"cost_{text}": (f"for {text}", shown), f"frontier_{text}": ("frontier %", digits(0))}
        note = (
            f"{_SHARING}{_FROM[measure]}Frontier: in how many percent of {stats.FRONTIER_RESAMPLES:,} resamples of the "
            "runs, the same ones for every baseline, nothing is better for no more; a bootstrap is too sure of few "
            f"runs. {SHARED}"
        )
        name = "costs" if measure == MULTIPLY_ADDS else f"costs-{measure}"
        made.append(Table(name, f"Accuracy and {MEASURES[measure]} of one student", wide, columns=columns, note=note))
    return made


def price_table(prices: pd.DataFrame, several: bool) -> Table:
    """What a point over Direct costs."""
    columns: dict[str, tuple[str, Format]] = {
        **_places(several), "name": ("baseline", str), "difference": ("over Direct", _SIGNED),
        "low": ("95 % from", _SIGNED), "high": ("to", _SIGNED), "p_holm": ("p (Holm)", p_value),
        "students": ("students", students_text), "more": ("multiply-adds more", amount), "price": ("a point", amount),
        "price_low": ("from", amount), "price_high": ("to", amount), "trainings": ("in Directs", digits(1)),
    }  # fmt: skip
    note = (
        "Of baselines that are shown to be above Direct (p < 0.05, Holm over all baselines of a data set): "
        "multiply-adds of one student beyond those of Direct, for each point of accuracy; its interval comes from that "
        "of the difference. In Directs: the price in trainings of Direct. A baseline that shares nothing has one row. "
        f"{_SHARING}"
    )
    return Table("costs-prices", "What a point costs", prices, columns=columns, note=note)


def budget_table(equal: pd.DataFrame, several: bool) -> Table:
    """Baselines against Direct of equal cost."""
    columns: dict[str, tuple[str, Format]] = {
        **_places(several), "students": ("students", students_text), "name": ("baseline", str),
        "cost": ("multiply-adds", amount), "epochs": ("Direct's epochs", whole), "beside": ("against", str),
        "beside_cost": ("its multiply-adds", amount), "n": ("pairs", whole), "difference": ("difference", _SIGNED),
        "low": ("95 % from", _SIGNED), "high": ("to", _SIGNED), "p_holm": ("p (Holm)", p_value),
        "finding": ("at equal cost", str),
    }  # fmt: skip
    note = (
        f"Each baseline against the Direct that costs as much (within {100 * NEAR:g} %), or against the two on both "
        "sides of its cost: nothing is interpolated. Better at equal cost: than all of them, one of which costs as "
        "much or more; worse: than all of them, one of which costs as much or less. Direct's epochs: with so many "
        "Direct would cost as much; train it by that word in its name. Holm over all comparisons for one number of "
        "students. "
        f"{_SHARING}"
    )
    return Table("costs-budgets", "Against Direct at equal multiply-adds", equal, columns=columns, note=note)


def drawings(
    fronts: pd.DataFrame, order: Sequence[str], curves: Mapping[str, str], drawn: Sequence[str]
) -> list[Drawing]:
    """The frontier by each measure, and the curves over numbers of epochs; of the places `drawn` alone."""
    made, places = [], fronts["place"].nunique()
    rest = f" The first {len(drawn)} of {places} places; the others stand in the tables." if places > len(drawn) else ""
    shown = fronts[fronts["students"].isin(_ENDS) & fronts["place"].isin(drawn)]
    titles = [_title(place, students, places > 1) for place, students in shown[["place", "students"]].to_numpy()]
    shown = shown.assign(title=titles)
    for measure in dict.fromkeys(shown["measure"]):
        rows = shown[shown["measure"] == measure]
        unit = MEASURES[measure] if measure == MULTIPLY_ADDS else f"training {MEASURES[measure]}"
        text = (
            f"Mean test accuracy with its 95 % interval (Student's t) over the {unit} of one student. Filled, and "
            f"joined: on the frontier.{rest}"
        )
        name = "costs" if measure == MULTIPLY_ADDS else f"costs-{measure}"
        figure = partial(plots.frontiers, rows, order, unit)
        made.append(Drawing(name, f"Frontier in {MEASURES[measure]}", figure, text))
    rows = shown[shown["measure"] == MULTIPLY_ADDS]
    rows = rows.assign(name=[curves.get(name, name) for name in rows["name"]])
    points = rows.groupby(["title", "name"], sort=False)["cost"].transform("size")
    rows = rows[points > 1]
    if len(rows):
        text = (
            "Mean test accuracy with its 95 % interval over the multiply-adds of one student; a line joins the "
            f"numbers of epochs of a baseline.{rest}"
        )
        names = [name for name in dict.fromkeys(curves.get(one, one) for one in order) if name in set(rows["name"])]
        figure = partial(plots.budget_curves, rows, names, MEASURES[MULTIPLY_ADDS])
        made.append(Drawing("costs-budgets", "Accuracy by budget", figure, text))
    return made


def _title(place: str, students: float, several: bool) -> str:
    what = "all that it learns from is its own" if students == 1 else "what it learns from is there already"
    return f"{place}: {what}" if several else what.capitalize()
