"""What a factorial shows, in sentences that are computed from its tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from hpmkd.analysis.experiments.contrast import LEVEL, evidence, is_shown, listed, runs_text
from hpmkd.numeric import fixed, is_defined

Rows = Sequence[dict[str, Any]]


def sentences(method: str, pairs: Rows, single: Rows) -> list[str]:
    """Of one method in one place: its interactions, then its main effects."""
    known = [row for row in pairs if row["n"] > 0]
    made = [_headline(method, known)]
    made += [f"{_both(row)}: {row['finding']}, {evidence(row)}." for row in known if is_shown(row)]
    return [*made, *_main(single), *_idle(single), *_partial(known)]


def _both(row: dict[str, Any]) -> str:
    text = str(row["name"]).replace(" x ", " and ")
    return text[:1].upper() + text[1:]


def _headline(method: str, known: Rows) -> str:
    if not known:
        return f"Nothing can be said about interactions of the components of {method} yet."
    if max(row["n"] for row in known) < 2:
        return f"One run per arm shows no interaction between components of {method}: each may be chance."
    count, runs = f"{len(known)} pair{'s' * (len(known) != 1)}", runs_text([row["n"] for row in known])
    shown = [row for row in known if is_shown(row)]
    if shown:
        signs = [row["difference"] > 0 for row in shown]
        kinds = [(sum(signs), "with synergy"), (len(signs) - sum(signs), "that hinder each other")]
        said = listed([f"{number} {kind}" for number, kind in kinds if number])
        return (
            f"{len(shown)} of {count} of components of {method} interact{'s' * (len(shown) == 1)}: {said} "
            f"({runs}, p < {LEVEL:g} after Holm's correction)."
        )
    widths = [(row["high"] - row["low"]) / 2 for row in known if is_defined(row["low"])]
    largest = max(known, key=lambda row: abs(row["difference"]))
    said = f"No interaction between components of {method} is shown ({count}, {runs}). "
    said += f"The largest: {_both(largest).lower()}, {evidence(largest)}."
    if widths:
        said += f" The intervals reach {fixed(float(np.median(widths)), 2)} points to either side (median)."
    return said


def _main(single: Rows) -> list[str]:
    known = [row for row in single if row["n"] > 1]
    if not known:
        return []
    shown = [f"{row['name']} {row['finding']} ({evidence(row)})" for row in known if is_shown(row)]
    if not shown:
        return ["Averaged over the levels of the others, no component is shown to pay or to harm."]
    return [f"Averaged over the levels of the others: {'; '.join(shown)}."]


def _idle(single: Rows) -> list[str]:
    idle = [str(row["name"]) for row in single if row["finding"].startswith("the same models")]
    if not idle:
        return []
    return [
        f"Nothing is said about {listed(idle)}: with and without, the models are the same ones in every run."
        + " The chain has no assistant between networks so close in size." * ("chain" in idle)
    ]


def _partial(known: Rows) -> list[str]:
    if all(row["levels"] == row["all_levels"] for row in known):
        return []
    return ["Not all arms of the factorial are there: where the table says fewer levels, the average is over those."]
