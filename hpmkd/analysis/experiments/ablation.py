"""Ablation: what each component of HPM-KD buys, and what it costs. The full method minus the method without it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import pandas as pd

from hpmkd.analysis.conclusions import why_not
from hpmkd.analysis.experiments import ablation_clock as clock
from hpmkd.analysis.experiments.ablation_words import PLAIN, TOTAL, sentences
from hpmkd.analysis.experiments.arms import LEARNING, TITLES, Group, coincide, groups_of
from hpmkd.analysis.experiments.contrast import SHARED, is_shown, records, tested
from hpmkd.analysis.experiments.cost import Costs, scaled
from hpmkd.analysis.plots import effects
from hpmkd.analysis.section import Drawing, Format, Section, Table, digits
from hpmkd.audit.sweep_dir import Saved
from hpmkd.numeric import divide, p_value, whole
from hpmkd.plan.ablations import NAME

FULL, OFF = frozenset[str](), frozenset(LEARNING)
_COLUMNS = [
    "place", "method", "component", "title", "baseline", "n", "difference", "low", "high", "p", "p_holm",
    "multiply_adds", "multiply_adds_pct", "seconds", "seconds_pct", "finding",
]  # fmt: skip
_MORE = {"together": "all four together", "Direct": "all four and a teacher", TOTAL: "the four one by one"}


def section(frame: pd.DataFrame, order: Sequence[str], saved: Saved) -> Section | None:
    """Of sweeps with HPM-KD and HPM-KD without one of its components; see `experiments.registry`."""
    groups = [group for group in groups_of(frame) if _is_ablation(group)]
    if not groups:
        return None
    costs, several = Costs(frame, saved), len(groups) > 1
    table = pd.concat([_rows(group, costs) for group in groups], ignore_index=True)
    said = []
    for group in groups:
        mine = table[(table["place"] == group.place) & (table["method"] == group.family.name)]
        where = f"{group.place}, {group.family.name}: " if several else ""
        said += [where + text for text in (*sentences(group, mine), *clock.sentences(group))]
    learnt = table[table["component"].isin(LEARNING)]
    return Section(
        "ablation",
        "Ablation of HPM-KD",
        tuple(said),
        tables=(*[_table(table, several)] * (len(learnt) > 0), *clock.tables(clock.rows(groups, costs), several)),
        drawings=tuple(_drawings(table[table["component"] != TOTAL], learnt, several)),
        errors=tuple(_errors(groups, frame)),
    )


def _is_ablation(group: Group) -> bool:
    """There is the full method, and one without a component; of methods with settings of their own, two such."""
    without = len(_without(group)) + len(group.family.engine)
    return FULL in group.family.cells and without > (group.family.name != NAME)


def _without(group: Group) -> dict[str, str]:
    """Component -> the baseline without it alone."""
    cells = group.family.cells
    return {name: cells[frozenset({name})] for name in LEARNING if frozenset({name}) in cells}


def _rows(group: Group, costs: Costs) -> pd.DataFrame:
    """A row per component; for all together (against all off, else TraditionalKD, which is the same), against Direct;
    the last is by how much the four one by one buy more than all together."""
    full, without = group.wide[group.family.cells[FULL]], _without(group)
    same = {name for name, label in without.items() if coincide(group.part, group.family.cells[FULL], label)}
    single = {name: full - group.wide[label] for name, label in without.items()}
    rows = records(tested({name: one * float("nan") if name in same else one for name, one in single.items()}))
    labels: dict[str, str] = {**without, "together": group.family.cells.get(OFF, PLAIN), "Direct": "Direct"}
    more = {name: full - group.wide[labels[name]] for name in ("together", "Direct") if labels[name] in group.wide}
    if "together" in more and len(single) == len(LEARNING):
        total = sum(single.values(), start=0.0 * full)
        more[TOTAL] = total - more["together"]
    rows += [row for name, one in more.items() for row in records(tested({name: one}))]
    made = []
    for row in rows:
        name = str(row.pop("name"))
        about: dict[str, Any] = {"place": group.place, "method": group.family.name, "component": name}
        about |= {"title": {**TITLES, **_MORE}[name], "baseline": labels.get(name)}
        made.append({**about, **row, **_cost(group, labels.get(name), costs), "finding": _finding(row, name in same)})
    return pd.DataFrame(made, columns=_COLUMNS)


def _cost(group: Group, label: str | None, costs: Costs) -> dict[str, float]:
    """What the full method costs more than a baseline over the runs that both have; in percent of itself, too."""
    if label is None:
        return dict.fromkeys(("multiply_adds", "multiply_adds_pct", "seconds", "seconds_pct"), float("nan"))
    full, other = group.of(group.family.cells[FULL]), group.of(label)
    runs = set(full["run"]) & set(other["run"])
    mine, theirs = (costs.of(rows[rows["run"].isin(runs)]) for rows in (full, other))
    made: dict[str, float] = {}
    for name, one, two in zip(("multiply_adds", "seconds"), mine, theirs, strict=True):
        made |= {name: one - two, f"{name}_pct": 100 * divide(one - two, one)}
    return made


def _finding(row: dict[str, Any], same: bool) -> str:
    if same:
        return "the same models with and without it"
    if is_shown(row):
        return "pays" if row["difference"] > 0 else "harms"
    return f"not shown: {why_not(row)}"


def _table(table: pd.DataFrame, several: bool) -> Table:
    places: dict[str, tuple[str, Format]] = {"place": ("data set", str), "method": ("method", str)}
    columns: dict[str, tuple[str, Format]] = {
        **(places if several else {}), "title": ("component", str), "baseline": ("without it", str),
        "n": ("pairs", whole), "difference": ("buys, points", digits(2, sign=True)),
        "low": ("95 % from", digits(2, sign=True)), "high": ("to", digits(2, sign=True)), "p": ("p (t)", p_value),
        "p_holm": ("p (Holm)", p_value), "multiply_adds": ("multiply-adds", scaled),
        "seconds": ("seconds", digits(1, sign=True)), "finding": ("finding", str),
    }  # fmt: skip
    note = (
        "What a component buys: accuracy of the full method minus accuracy without it, run by run, so + means that it "
        "pays; 95 % interval by Student's t. p (Holm): corrected over the components; the last rows are one question "
        "each. Multiply-adds and seconds: what the full method costs more over these runs, with everything that its "
        "students depend on (k, M, G, T: 10^3, 10^6, 10^9, 10^12); models that both have cost nothing more. "
        f"Seconds depend on what else the machine did at the time. {SHARED}"
    )
    shown = table[table["component"] != TOTAL].reset_index(drop=True)
    return Table("ablation", "What each component buys and costs", shown, columns=columns, note=note)


def _drawings(table: pd.DataFrame, learnt: pd.DataFrame, several: bool) -> list[Drawing]:
    if learnt.empty:
        return []
    text = (
        "The full method minus the method without the component, in the same runs: mean and 95 % interval (Student's "
        "t); right of the line it pays. Filled: p < .05 after Holm's correction over the components."
    )
    made = [Drawing("ablation", "What each component buys", partial(effects.effects, table, several), text)]
    if learnt[["multiply_adds_pct", "seconds_pct"]].notna().any(axis=None):
        text = "In percent of what the full method costs: its students and everything that they depend on."
        figure = partial(effects.shares, learnt, several)
        made.append(Drawing("ablation-cost", "What each component costs", figure, text))
    return made


def _errors(groups: Sequence[Group], frame: pd.DataFrame) -> list[str]:
    """Weights that must be equal and are not: without parallel pipeline or shared memory, and with all four off."""
    made = []
    for group in groups:
        cells = group.family.cells
        pairs = [(label, cells[FULL]) for label in group.family.engine.values()]
        pairs += [(cells[OFF], PLAIN)] if OFF in cells else []
        made += [clock.unequal(group, one, other, frame) for one, other in pairs]
    return [text for text in made if text]
