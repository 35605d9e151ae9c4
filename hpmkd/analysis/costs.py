"""Where the training time of a sweep went. Pure: DataFrame -> DataFrame."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from hpmkd.audit import results
from hpmkd.audit.places import AXES, groups, narrowed, stems
from hpmkd.plan.roles import Role


def costs(frame: pd.DataFrame) -> pd.DataFrame:
    """Training seconds per place (data set, condition, pair), baseline and role: `models`, `seconds`.

    A baseline has its students, and everything that they depend on; what several baselines share counts in each. Rows
    of baseline `all` count every planned file of the place once.
    """
    rows: list[dict[str, object]] = []
    frame = narrowed(frame, "role", "baseline", "train_seconds").reset_index(drop=True)  # several sweeps in one table
    for names, part in groups(frame):
        students = part[part["role"] == "student"]
        for baseline, mine in students.groupby("baseline", sort=False):
            rows += _by_role({**names, "baseline": baseline}, with_ancestors(frame, mine))
        rows += _by_role({**names, "baseline": "all"}, part)
    return pd.DataFrame(rows, columns=[*AXES, "place", "baseline", "role", "models", "seconds"])


def with_ancestors(frame: pd.DataFrame, students: pd.DataFrame) -> pd.DataFrame:
    """The rows of these students and of everything that they depend on, each once."""
    return frame[stems(frame).isin(results.shared_names(students)) | frame.index.isin(students.index)]


def _by_role(names: Mapping[str, object], part: pd.DataFrame) -> list[dict[str, object]]:
    rows = []
    seconds = dict(list(part["train_seconds"].groupby(part["role"])))
    for role in Role:
        if (mine := seconds.get(str(role))) is not None:
            rows.append({**names, "role": str(role), "models": len(mine), "seconds": results.total(mine)})
    return rows
