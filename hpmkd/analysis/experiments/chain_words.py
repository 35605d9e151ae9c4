"""What chains of several lengths show, in sentences that are computed from their tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hpmkd.analysis.experiments.contrast import evidence, is_shown, listed, runs_text
from hpmkd.analysis.experiments.cost import scaled
from hpmkd.analysis.stats.tost import LEVEL, MARGIN
from hpmkd.data.source.listing import count
from hpmkd.numeric import divide, fixed, is_defined, p_phrase

Rows = Sequence[Mapping[str, Any]]


def amount(value: float) -> str:
    """Multiply-adds: `3.62 T`."""
    return scaled(value).lstrip("+")


def sentences(name: str, lengths: Rows, steps: Rows) -> list[str]:
    """Of one method in one place.

    Args:
        name: of the method.
        lengths: its rows of the table by length.
        steps: its rows of the table of pairs.
    """
    nexts = [row for row in steps if row["question"] == "next"]
    longest = [row for row in steps if row["question"] == "longest"]
    made = [_headline(name, lengths, nexts)]
    made += [f"{name}, {row['pair']} assistants: {row['finding']}, {evidence(row)}." for row in nexts if is_shown(row)]
    return [*made, *_equal(name, longest), *_cost(name, lengths)]


def _headline(name: str, lengths: Rows, nexts: Rows) -> str:
    over = f"{name}, {lengths[0]['length']} to {lengths[-1]['length']} assistants"
    runs = [row["n"] for row in nexts]
    if max(runs) < 2:
        return f"{over}: one run per length shows nothing; every difference may be chance."
    shown = [row for row in nexts if is_shown(row)]
    if not shown:
        return f"{over}: no further assistant is shown to change the student ({runs_text(runs)})."
    better, worse = ([row["pair"] for row in shown if (row["difference"] > 0) is up] for up in (True, False))
    said = [f"{word}: {listed(pairs)}" for word, pairs in (("better", better), ("worse", worse)) if pairs]
    said += [f"not shown: {len(nexts) - len(shown)} of {len(nexts)}"] if len(shown) < len(nexts) else []
    return (
        f"{over}, each against the next: {'; '.join(said)} ({runs_text(runs)}, p < {LEVEL:g} after Holm's correction)."
    )


def _equal(name: str, rows: Rows) -> list[str]:
    """Against the longest: the lengths that are practically as good, those that are not, and how many nobody knows."""
    known = [row for row in rows if is_defined(row["p_equal"])]
    if not known:
        return []
    same = [str(row["shorter"]) for row in known if row["p_equal"] < LEVEL]
    other = [str(row["shorter"]) for row in known if is_shown(row) and not row["p_equal"] < LEVEL]
    said = [f"shown to be within {MARGIN:g} points: {listed(same)} (TOST)"] if same else []
    said += [f"shown to be another: {listed(other)}"] if other else []
    left = len(known) - len(same) - len(other)
    said += [f"undecided: {left} of {len(known)}"] if left else []
    return [f"{name}, against the longest chain ({known[0]['longer']}): {'; '.join(said)}.", *_from(name, known)]


def _from(name: str, rows: Rows) -> list[str]:
    """From which length on nothing more is to be had, where that is shown."""
    start = None
    for row in reversed(rows):
        if not row["p_equal"] < LEVEL:
            break
        start = row
    if start is None:
        return []
    worst = max(row["p_equal"] for row in rows if row["shorter"] >= start["shorter"])
    first = count(int(start["shorter"]), "assistant")
    return [
        f"{name}: from {first} on, every length is shown to be within {MARGIN:g} points of the longest (largest "
        f"{p_phrase(worst)})."
    ]


def _cost(name: str, lengths: Rows) -> list[str]:
    first, last = lengths[0], lengths[-1]
    parts = []
    for column, unit in (("multiply_adds", "multiply-adds"), ("seconds", "seconds")):
        times = divide(last[column], first[column])
        if is_defined(times):
            parts.append(f"{fixed(times, 2)} times the {unit}")
    if not parts:
        return []
    return [f"{name}: the longest chain takes {' and '.join(parts)} of the shortest, teachers included."]
