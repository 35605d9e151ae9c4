"""Interactions: do the components of HPM-KD help or hinder each other? The factorial of the four that change what is
learnt, each on and off."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import pandas as pd

from hpmkd.analysis.conclusions import why_not
from hpmkd.analysis.experiments.arms import TITLES, Group, groups_of
from hpmkd.analysis.experiments.contrast import SHARED, is_shown, records, tested
from hpmkd.analysis.experiments.factorial import contrasts
from hpmkd.analysis.experiments.interaction_words import sentences
from hpmkd.analysis.plots import factorial
from hpmkd.analysis.section import Drawing, Format, Section, Table, digits
from hpmkd.audit.sweep_dir import Saved
from hpmkd.numeric import p_value, whole


def section(frame: pd.DataFrame, order: Sequence[str], saved: Saved) -> Section | None:
    """Of sweeps in which two components are on and off in all four ways; see `experiments.registry`."""
    groups = [group for group in groups_of(frame) if any(contrasts(group, 2))]
    if not groups:
        return None
    several = len(groups) > 1
    pairs, single = (pd.concat([_rows(group, count) for group in groups], ignore_index=True) for count in (2, 1))
    said = []
    for group in groups:
        mine, main = (
            table[(table["place"] == group.place) & (table["method"] == group.family.name)] for table in (pairs, single)
        )
        where = f"{group.place}, {group.family.name}: " if several else ""
        said += [where + text for text in sentences(group.family.name, records(mine), records(main))]
    return Section(
        "interactions",
        "Interactions of HPM-KD's components",
        tuple(said),
        tables=(_pair_table(pairs, several), _main_table(single, several)),
        drawings=tuple(_drawings(pairs, several)),
    )


def _rows(group: Group, count: int) -> pd.DataFrame:
    """A row per contrast; Holm over all of them that can be tested."""
    found = {" x ".join(TITLES[name] for name in one.parts): one for one in contrasts(group, count)}
    idle = {name for name, one in found.items() if one.is_idle(group)}
    values = {name: one.by_run(group.wide) * (float("nan") if name in idle else 1.0) for name, one in found.items()}
    made = []
    for row in records(tested(values)):
        name = str(row["name"])
        one = found[name]
        about = {"place": group.place, "method": group.family.name, "name": name, "first": TITLES[one.parts[0]]}
        levels = {"second": TITLES[one.parts[-1]], "levels": len(one.levels), "all_levels": one.all_levels}
        finding = "the same models with and without" if name in idle else _finding(row, count)
        made.append({**about, **levels, **row, **one.means(group.wide), "finding": finding})
    return pd.DataFrame(made)


def _finding(row: dict[str, Any], count: int) -> str:
    if not is_shown(row):
        return f"not shown: {why_not(row)}"
    words = ("synergy", "they hinder each other") if count == 2 else ("pays", "harms")
    return words[0] if row["difference"] > 0 else words[1]


_FINDING: tuple[str, Format] = ("finding", str)


def _columns(heading: str, value: str, several: bool) -> dict[str, tuple[str, Format]]:
    places: dict[str, tuple[str, Format]] = {"place": ("data set", str), "method": ("method", str)}
    return {
        **(places if several else {}), "name": (heading, str), "n": ("runs", whole), "levels": ("levels", whole),
        "difference": (value, digits(2, sign=True)), "low": ("95 % from", digits(2, sign=True)),
        "high": ("to", digits(2, sign=True)), "p": ("p (t)", p_value), "p_holm": ("p (Holm)", p_value),
    }  # fmt: skip


def _pair_table(pairs: pd.DataFrame, several: bool) -> Table:
    cells: dict[str, tuple[str, Format]] = {name: (text, digits(2)) for name, text in factorial.CORNERS.items()}
    columns: dict[str, tuple[str, Format]] = {
        **_columns("components", "I, points", several),
        **cells,
        "finding": ("finding", str),
    }
    note = (
        "I = f11 - f10 - f01 + f00, run by run, from the accuracies with both components, the first alone, the second "
        "alone, neither; averaged over the levels (on, off) of the other components: 4 in a whole factorial. "
        "I > 0 is synergy: together they buy more than one by one. 95 % interval by Student's t over runs; p (Holm): "
        f"corrected over these pairs. {SHARED}"
    )
    return Table("interactions", "Interactions of two components", pairs, columns=columns, note=note)


def _main_table(single: pd.DataFrame, several: bool) -> Table:
    cells: dict[str, tuple[str, Format]] = {"f1": ("% with", digits(2)), "f0": ("% without", digits(2))}
    columns: dict[str, tuple[str, Format]] = {
        **_columns("component", "buys, points", several),
        **cells,
        "finding": ("finding", str),
    }
    note = (
        "Accuracy with the component minus accuracy without it, run by run, averaged over the levels of the other "
        "components: 8 in a whole factorial; the ablation has the others all on. 95 % interval by Student's t over "
        f"runs; p (Holm): corrected over the components. {SHARED}"
    )
    return Table("main-effects", "What each component buys on average", single, columns=columns, note=note)


def _drawings(pairs: pd.DataFrame, several: bool) -> list[Drawing]:
    text = (
        "I in points; blue: synergy, orange: they hinder each other. Grey: not shown (p ≥ .05 after Holm's correction, "
        "or no test)."
    )
    made = [Drawing("interactions", "Interactions", partial(factorial.heat_map, pairs, several), text)]
    known = pairs[pairs["difference"].notna()]
    if len(known):
        text = (
            "Mean accuracy over runs and levels. Parallel lines: no interaction; lines that open to the right: synergy."
        )
        made.append(Drawing("interaction-plots", "Two by two", partial(factorial.two_by_two, known, several), text))
    return made
