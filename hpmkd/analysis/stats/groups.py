"""What is compared with what: planned students, in groups of one place (data set, condition and pair of networks)."""

from __future__ import annotations

import pandas as pd

from hpmkd.audit.places import placed

# Fewer say nothing about a further one.
MIN_GROUPS = 3


def students(frame: pd.DataFrame) -> pd.DataFrame:
    """The planned students of a results frame, with a column `place`: what baselines are compared on. Those that do not
    say of which data set, baseline and run they are cannot be."""
    named = frame[["dataset", "baseline", "run"]].notna().all(axis=1)
    return placed(frame[(frame["role"] == "student") & frame["planned"].astype(bool) & named])
