"""What an ablation shows, in sentences that are computed from its table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from hpmkd.analysis import stats
from hpmkd.analysis.experiments.arms import LEARNING, Group
from hpmkd.analysis.experiments.contrast import LEVEL, evidence, is_shown, listed, records, runs_text
from hpmkd.numeric import fixed

PLAIN = "TraditionalKD"
TOTAL = "total"  # what the components buy one by one, added up, minus what they buy together
Rows = dict[str, dict[str, Any]]


def sentences(group: Group, table: pd.DataFrame) -> list[str]:
    """Of one method in one place.

    Args:
        group: its arms.
        table: the rows of `ablation` that are about it.
    """
    rows: Rows = {str(row["component"]): row for row in records(table)}
    parts = [rows[name] for name in LEARNING if name in rows]
    made = [headline(group.family.name, parts)] if parts else []
    made += [f"{_upper(row['title'])} {row['finding']}: {evidence(row)}." for row in parts if is_shown(row)]
    return [*made, *_same(parts), *_together(rows), *_plain(group)]


def _upper(text: str) -> str:
    return text[:1].upper() + text[1:]


def headline(name: str, rows: Sequence[dict[str, Any]]) -> str:
    """How many components of a method are shown to do something."""
    known = [row for row in rows if row["n"] > 0]
    if not known:
        return f"Nothing can be said about the components of {name} yet: no two arms differ in a run that both have."
    if max(row["n"] for row in known) < 2:
        return f"One run per arm shows nothing about the components of {name}: every difference may be chance."
    runs = runs_text([row["n"] for row in known])
    shown = {verb: [row["title"] for row in known if row["finding"] == word] for word, verb in _VERBS.items()}
    if not any(shown.values()):
        count = f"{len(known)} component{'s' * (len(known) != 1)}"
        return f"No component of {name} is shown to pay or to harm ({count}, {runs})."
    said = [f"shown to {verb}: {listed(names)}" for verb, names in shown.items() if names]
    rest = len(known) - sum(map(len, shown.values()))
    said += [f"not shown: {rest} of {len(known)}"] if rest else []
    return f"Components of {name} {'; '.join(said)} ({runs}, p < {LEVEL:g} after Holm's correction)."


_VERBS = {"pays": "pay", "harms": "harm"}


def _same(parts: Sequence[dict[str, Any]]) -> list[str]:
    same = [row for row in parts if row["finding"].startswith("the same models")]
    if not same:
        return []
    chain = any(row["component"] == "chain" for row in same)
    return [
        f"Nothing is said about {listed([row['title'] for row in same])}: with and without, the models are the same "
        "ones in every run." + " The chain has no assistant between networks so close in size." * chain
    ]


def _together(rows: Rows) -> list[str]:
    """The whole against plain distillation, and against the sum of its parts."""
    made = []
    together, total = rows.get("together"), rows.get(TOTAL)
    if together is not None and together["n"] > 1:
        word = {"pays": "pay", "harms": "harm"}.get(together["finding"])
        said = f"are shown to {word}" if word else "are not shown to pay or to harm"
        made.append(f"All four together {said} against plain distillation: {evidence(together)}.")
    if together is not None and total is not None and total["n"] > 1:
        added = fixed(total["difference"] + together["difference"], 2, sign=True)
        more = "more" if total["difference"] > 0 else "less"
        shown = f"is shown to be {more} than" if is_shown(total) else "cannot be told from"
        made.append(
            f"Taken one by one from the full method, the four add up to {added} points, which {shown} what they buy "
            f"together; the difference is {evidence(total)}."
        )
    return made


def _plain(group: Group) -> list[str]:
    label = group.family.cells.get(frozenset(LEARNING))
    same, known = stats.same_weights(group.part, label, PLAIN) if label else (0, 0)
    if not known or same < known:
        return []
    return [f"With all four off ({label}) the weights are those of {PLAIN}, bit for bit, in {same} of {known} runs."]
