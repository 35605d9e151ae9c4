"""What numbers of teachers show, in sentences that are computed from their tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hpmkd.analysis.experiments.chain_words import amount
from hpmkd.analysis.experiments.contrast import LEVEL, evidence, is_shown, listed, runs_text
from hpmkd.analysis.experiments.teacher_arms import BUDGET
from hpmkd.audit.grids import root_of
from hpmkd.data.source.listing import count
from hpmkd.numeric import divide, fixed, is_defined

__all__ = ["amount", "sentences"]
Rows = Sequence[Mapping[str, Any]]


def sentences(numbers: Rows, beside: Rows, spread: Rows, apart: Rows) -> list[str]:
    """Of one place.

    Args:
        numbers: the rows of the table by number of teachers.
        beside: those of methods with equally many teachers.
        spread: those of the attention.
        apart: those of pairs of teachers.
    """
    names = list(dict.fromkeys(str(row["name"]) for row in numbers))
    made = [text for name in names for text in _method([row for row in numbers if row["name"] == name])]
    return [*made, *_questions(beside), *_attention(spread), *_apart(apart)]


def _method(rows: Rows) -> list[str]:
    """What more teachers buy in one method."""
    name, least = rows[0]["name"], rows[0]["teachers"]
    more = [row for row in rows[1:] if is_defined(row["n"]) and row["n"] > 0]
    if not more:
        return []
    counts = listed([str(row["teachers"]) for row in more])
    what = f"{name}, {counts} teachers against {least}"
    if root_of(str(name)) == BUDGET:
        what = f"{name}, with what {counts} teachers cost against what {least} {'costs' if least == 1 else 'cost'}"
    runs = [int(row["n"]) for row in more]
    if max(runs) < 2:
        return [f"{what}: one run each shows nothing; every difference may be chance."]
    shown = [row for row in more if is_shown(row)]
    cost = _cost(rows)
    if not shown:
        largest = max(more, key=lambda row: abs(row["difference"]))
        said = f"no difference is shown ({runs_text(runs)}); the largest is with {largest['teachers']}: "
        return [f"{what}: {said}{_evidence(largest)}{cost}."]
    said = "; ".join(f"{_word(row)} with {row['teachers']} ({_evidence(row)})" for row in shown)
    return [f"{what}: {said}{cost}."]


def _word(row: Mapping[str, Any]) -> str:
    return "better" if row["difference"] > 0 else "worse"


def _evidence(row: Mapping[str, Any]) -> str:
    return evidence({**row, "n": int(row["n"])})


def _cost(rows: Rows) -> str:
    first, last = rows[0], rows[-1]
    for column, unit in (("multiply_adds", "multiply-adds"), ("seconds", "seconds")):
        times = divide(last[column], first[column])
        if is_defined(times) and root_of(str(first["name"])) == BUDGET:  # it has one teacher
            return f"; at M = {last['teachers']} it takes {fixed(times, 2)} times the {unit} of M = {first['teachers']}"
        if is_defined(times):
            return f"; {last['teachers']} teachers take {fixed(times, 2)} times the {unit} of {first['teachers']}"
    return ""


def _questions(beside: Rows) -> list[str]:
    """A sentence per pair of methods with a difference, one for all others."""
    made, same = [], []
    for name, other in dict.fromkeys((str(row["name"]), str(row["against"])) for row in beside):
        rows = [row for row in beside if (row["name"], row["against"]) == (name, other) and row["n"] > 1]
        shown = {word: [str(row["teachers"]) for row in rows if row["finding"] == word] for word in ("better", "worse")}
        said = [f"{word} with M = {listed(values)}" for word, values in shown.items() if values]
        left = len(rows) - sum(map(len, shown.values()))
        if not said:
            same += [f"{name} and {other}"] if rows else []
            continue
        said += [f"no difference shown at {left} of {len(rows)} M"] if left else []
        runs = runs_text([int(row["n"]) for row in rows])
        made.append(f"{name} against {other}: {'; '.join(said)} ({runs}, p < {LEVEL:g} after Holm's correction).")
    return [*made, f"With equally many teachers no difference is shown between {'; '.join(same)}."] if same else made


def _attention(spread: Rows) -> list[str]:
    made = []
    for name in dict.fromkeys(str(row["name"]) for row in spread):
        rows = [row for row in spread if row["name"] == name]
        last = max(rows, key=lambda row: row["teachers"])
        of = f" of {fixed(last['sources'], 0)} networks" if is_defined(last["sources"]) else ""
        made.append(
            f"{name}: with {last['teachers']} teachers the attention weighs as evenly as "
            f"{fixed(last['effective'], 2)}{of} weighed alike (H = {fixed(last['entropy'], 3)} nats)."
        )
    return made


def _apart(apart: Rows) -> list[str]:
    if not apart:
        return []
    values = [float(row["differ_pct"]) for row in apart]
    pairs = f"{count(len(values), 'pair')} of teachers predict{'s' * (len(values) == 1)}"
    errors = sum(float(row["errors_pct"]) for row in apart) / len(apart)
    return [
        f"{pairs} different classes on {fixed(sum(values) / len(values), 2)} % of the test images on average "
        f"({fixed(min(values), 2)} to {fixed(max(values), 2)} %); the teachers err on {fixed(errors, 2)} %."
    ]
