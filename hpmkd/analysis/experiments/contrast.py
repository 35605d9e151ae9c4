"""Contrasts: sums and differences of arms, run by run, and what Student's t says of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from hpmkd.analysis import stats
from hpmkd.analysis.section import Section, Table
from hpmkd.analysis.stats.holm import holm
from hpmkd.numeric import fixed, p_phrase

LEVEL = 0.05
# What runs do not vary, for the notes of tables.
SHARED = (
    "All runs learn from the same teachers, assistants and search, so the intervals are about further students of "
    "these, not about other teachers."
)
ONE_SET = "M teachers are the first M of one set, so M is that of one set."
ONCE = "Assistants are trained once."
SAME = "CKA with the same teacher"
FIXED = "which is fixed, as the teacher is"
# The same where each run has teachers of its own (`teacher.per_run`).
_OWN = {
    SHARED: "Each run learns from teachers, assistants and a search of its own, so the intervals are about other "
    "teachers, too.",
    ONE_SET: "M teachers are the first M of the run's own set.",
    ONCE: "Each run has assistants of its own: their mean.",
    SAME: "CKA with the teacher of the run, the same for both",
    FIXED: "run by run",
}


def of_teachers(per_run: bool) -> str:
    """What intervals are about: one set of teachers, or other teachers, too."""
    return _OWN[SHARED] if per_run else SHARED


def about_teachers(section: Section, per_run: bool) -> Section:
    """A section whose notes, written for teachers that all runs share, say what is true of the sweep."""
    if not per_run:
        return section
    return replace(section, tables=tuple(map(_of_own, section.tables)), folded=tuple(map(_of_own, section.folded)))


def _of_own(table: Table) -> Table:
    note = table.note
    for shared, own in _OWN.items():
        note = note.replace(shared, own)
    return replace(table, note=note)


def tested(values: Mapping[str, pd.Series]) -> pd.DataFrame:
    """Each contrast against nothing, by `stats.t_test`; Holm over all of them.

    Args:
        values: name -> percentage points by run; a run without a number is left out, of one that is there twice the
            mean counts.

    Returns:
        A row each: `name`, `n`, `difference` (the mean), `low`, `high`, `p`, `p_holm`.
    """
    rows = [{"name": name, **stats.t_test(_by_run(series).to_numpy(dtype=float))} for name, series in values.items()]
    kinds = {"n": "int64", **dict.fromkeys(("difference", "low", "high", "p"), "float64")}
    made = pd.DataFrame(rows, columns=["name", *kinds]).astype(kinds)
    known = made["p"].notna()
    return made.assign(p_holm=pd.Series(holm(made.loc[known, "p"]), index=made.index[known]).reindex(made.index))


def _by_run(series: pd.Series) -> pd.Series:
    known = series.dropna()
    return known if known.index.is_unique else known.groupby(level=0).mean()


def records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of a table."""
    return [{str(name): value for name, value in row.items()} for row in table.to_dict("records")]


def is_shown(row: Mapping[str, Any]) -> bool:
    """Whether a contrast is told from nothing after Holm's correction."""
    return bool(row["p_holm"] < LEVEL)


def evidence(row: Mapping[str, Any]) -> str:
    """`+0.84 points, 95 % interval +0.31 to +1.37, 5 runs, p (Holm) = 0.012`."""
    said = [f"{fixed(row['difference'], 2, sign=True)} points"]
    if pd.notna(row["low"]):
        said.append(f"95 % interval {fixed(row['low'], 2, sign=True)} to {fixed(row['high'], 2, sign=True)}")
    said.append(f"{row['n']} run{'s' * (row['n'] != 1)}")
    if pd.notna(row["p_holm"]):
        said.append(p_phrase(row["p_holm"], stats.CORRECTED))
    return ", ".join(said)


def listed(names: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return " and ".join(filter(None, (", ".join(names[:-1]), *names[-1:])))


def runs_text(counts: Sequence[int]) -> str:
    """`5 runs`, `3 to 5 runs`."""
    least, most = min(counts), max(counts)
    return f"{least} run{'s' * (least != 1)}" if least == most else f"{least} to {most} runs"
