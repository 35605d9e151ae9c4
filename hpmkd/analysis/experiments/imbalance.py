"""Imbalance: what methods lose where some classes have few training images, and whether any loses less than Direct."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from hpmkd.analysis.experiments.severities import FACTOR
from hpmkd.analysis.experiments.severity import Study
from hpmkd.analysis.section import Section
from hpmkd.audit.data_measures import FEW, MANY
from hpmkd.audit.sweep_dir import Saved

_STUDY = Study(
    "imbalance",
    "Imbalance",
    FACTOR,
    kinds={"exp": "exponential imbalance", "step": "step imbalance"},
    columns={
        "tail_recall_pct": "tail recall %",
        "macro_f1_pct": "macro-F1 %",
        "worst_recall_pct": "worst class %",
        "many_shot_pct": "many shot %",
        "medium_shot_pct": "medium %",
        "few_shot_pct": "few %",
    },
    spreads={"tail_recall_pct": "recall of the tail"},
    note=(
        "Tail: the half of the classes that has the fewest images under imbalance, the same classes at every factor. "
        f"Many shot: classes with more than {MANY} training images, few: less than {FEW} (Liu et al. 2019). An "
        "imbalanced set has fewer images, too: the arm “same size, balanced” tells one from the other. Test images are "
        "those of the data set. Models keep the weights of their last epoch."
    ),
    figures={
        "tail_recall_pct": (
            "Recall of the tail",
            "Mean recall of the half of the classes that has the fewest images under imbalance; mean over runs.",
        ),
        "macro_f1_pct": ("Macro-F1", "Mean over the classes of their F1; mean over runs."),
    },
)


def section(frame: pd.DataFrame, order: Sequence[str], saved: Saved) -> Section | None:
    """Of sweeps with imbalanced data sets; see `experiments.registry`."""
    return _STUDY.section(frame, order, saved)
