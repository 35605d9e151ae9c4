"""How HPM-KD's trained attention spreads its weights over the teachers."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd

from hpmkd.analysis.experiments.teacher_arms import Arms
from hpmkd.analysis.section import Format, Table, digits
from hpmkd.numeric import whole
from hpmkd.plan.roles import Role

COLUMN = "attention_entropy"


def spreads(arms: Arms) -> pd.DataFrame:
    """A row per method and M of which students say how their attention is spread: `place`, `name`, `teachers`,
    `sources` (whom it weighs, assistants included), `runs`, `entropy` (nats, mean over the runs), `effective` (mean of
    exp(H)), `effective_low` and `effective_high` (least and most of the runs)."""
    rows: list[dict[str, Any]] = []
    for name, labels in arms.labels.items():
        for m, label in labels.items():
            students = arms.part[arms.part["baseline"] == label]
            known = students[COLUMN].dropna() if COLUMN in students else pd.Series(dtype="float64")
            if len(known):
                effective = known.astype(float).map(math.exp)
                row = {"place": arms.place, "name": name, "teachers": m, "sources": _sources(students)}
                row |= {"runs": len(known), "entropy": float(known.mean()), "effective": float(effective.mean())}
                rows.append({**row, "effective_low": effective.min(), "effective_high": effective.max()})
    columns = ["place", "name", "teachers", "sources", "runs", "entropy", "effective", "effective_low"]
    return pd.DataFrame(rows, columns=[*columns, "effective_high"])


def _sources(students: pd.DataFrame) -> float:
    """Networks that a student is taught by; NaN where its file does not name them."""
    stems = set(str(students["parents"].iloc[0]).split())
    networks = [one for one in stems if one.startswith((f"{Role.TEACHER}_", f"{Role.ASSISTANT}_"))]
    return float(len(networks)) or math.nan


def attention_table(spread: pd.DataFrame, several: bool) -> Table:
    """Of `spreads`."""
    places: dict[str, tuple[str, Format]] = {"place": ("data set", str)}
    columns: dict[str, tuple[str, Format]] = {
        **(places if several else {}), "name": ("method", str), "teachers": ("M", whole),
        "sources": ("weighted", whole), "runs": ("runs", whole), "entropy": ("H, nats", digits(3)),
        "effective": ("exp(H)", digits(2)), "effective_low": ("least", digits(2)),
        "effective_high": ("most", digits(2)),
    }  # fmt: skip
    note = (
        "H: entropy of the weights that the trained attention gives the teachers, mean over validation images (on "
        "which it was trained); between 0, one teacher alone, and ln of how many are weighted. exp(H): effective "
        "number of teachers; least and most over the runs. Weighted: teachers and assistants."
    )
    return Table("teachers-attention", "Spread of the attention", spread, columns=columns, note=note)
