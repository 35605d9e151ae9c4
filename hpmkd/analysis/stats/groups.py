"""What is compared with what: planned students, in groups of one data set, condition and pair of networks."""

from __future__ import annotations

import pandas as pd

# Fewer say nothing about a further one.
MIN_GROUPS = 3
# What may tell groups apart; a frame need not have the later ones.
_COLUMNS = ("dataset", "condition", "pair")


def students(frame: pd.DataFrame) -> pd.DataFrame:
    """The planned students of a results frame: what baselines are compared on. Those that do not say of which data
    set, baseline and run they are cannot be."""
    named = frame[["dataset", "baseline", "run"]].notna().all(axis=1)
    return frame[(frame["role"] == "student") & frame["planned"].astype(bool) & named]


def group_columns(frame: pd.DataFrame) -> list[str]:
    """Of `dataset`, `condition` and `pair` those that say something: the columns that tell groups apart."""
    return [name for name in _COLUMNS if name == "dataset" or (name in frame and frame[name].notna().any())]


def group_names(frame: pd.DataFrame) -> pd.Series:
    """A name of the group of each row: `CIFAR10`, `CIFAR10@sym0.2`, `CIFAR10@sym0.2 r56-r20`."""
    made = frame["dataset"].astype(str)
    for name, before in (("condition", "@"), ("pair", " ")):
        if name in group_columns(frame):
            known = frame[name].notna()
            made = made.where(~known, made + before + frame[name].astype(str))
    return made
