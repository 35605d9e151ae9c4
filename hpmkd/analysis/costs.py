"""Where the training time of a sweep went. Pure: DataFrame -> DataFrame."""

from __future__ import annotations

import pandas as pd

from hpmkd.audit import results
from hpmkd.plan.roles import Role


def costs(frame: pd.DataFrame) -> pd.DataFrame:
    """Training seconds per data set, baseline and role: `dataset`, `baseline`, `role`, `models`, `seconds`.

    A baseline has its students, and everything that they depend on; what several baselines share counts in each. Rows
    of baseline `all` count every planned file once.
    """
    stems = frame["file"].str.rsplit(".", n=1).str[0]
    rows = []
    for dataset, part in frame[frame["planned"].astype(bool)].groupby("dataset", sort=False):
        students = part[part["role"] == "student"]
        for baseline, mine in students.groupby("baseline", sort=False):
            whole = frame[stems.isin(results.shared_names(mine)) | frame.index.isin(mine.index)]
            rows += _by_role(str(dataset), str(baseline), whole)
        rows += _by_role(str(dataset), "all", part)
    return pd.DataFrame(rows, columns=["dataset", "baseline", "role", "models", "seconds"])


def _by_role(dataset: str, baseline: str, part: pd.DataFrame) -> list[dict[str, object]]:
    rows = []
    for role in Role:
        mine = part.loc[part["role"] == role, "train_seconds"]
        if len(mine):
            names = {"dataset": dataset, "baseline": baseline, "role": str(role)}
            rows.append({**names, "models": len(mine), "seconds": results.total(mine)})
    return rows
