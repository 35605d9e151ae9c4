"""Label noise: what methods lose where labels are wrong, how many they memorise, whether any loses less than Direct."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import replace

import pandas as pd

from hpmkd.analysis.experiments.severities import RATE
from hpmkd.analysis.experiments.severity import Study
from hpmkd.analysis.section import Section
from hpmkd.audit.sweep_dir import Saved
from hpmkd.config.conditions import NOISE, has_any
from hpmkd.data.source.listing import some_of

_STUDY = Study(
    "noise",
    "Label noise",
    RATE,
    kinds={"sym": "symmetric noise", "asym": "asymmetric noise", "pair": "pair noise"},
    columns={"memorised_pct": "memorised %", "recovered_pct": "recovered %", "ece_pct": "ECE %"},
    spreads={"memorised_pct": "wrong labels that are memorised"},
    note=(
        "Accuracy is that after the last epoch, whose weights every model keeps, not the best of all epochs. "
        "Memorised: share of the training images with a wrong label that are taken for that class; recovered: for the "
        "true one (Liu et al. 2020). ECE: calibration error on test images, whose labels are true. Validation "
        "images are as noisy as training images, but in the arm “clean validation”."
    ),
    figures={
        "memorised_pct": (
            "Wrong labels memorised",
            "Share of the training images with a wrong label that a model takes for that class; mean over runs.",
        ),
        "ece_pct": ("Calibration error", "Expected calibration error on test images; mean over runs."),
    },
)


def section(frame: pd.DataFrame, order: Sequence[str], saved: Saved) -> Section | None:
    """Of sweeps with wrong labels; see `experiments.registry`."""
    made = _STUDY.section(frame, order, saved)
    missing = _unasked(frame, saved)
    return replace(made, sentences=(*made.sentences, missing)) if made is not None and missing else made


def _unasked(frame: pd.DataFrame, saved: Saved) -> str:
    """What to do where models were not asked about wrong labels yet."""
    students = frame[(frame["role"] == "student") & frame["planned"].astype(bool) & frame["accuracy_pct"].notna()]
    noisy = students[[isinstance(one, str) and has_any(one, NOISE) for one in students["condition"]]]
    known = int(noisy["memorised_pct"].notna().sum()) if "memorised_pct" in noisy else 0
    if known == len(noisy):
        return ""
    of = some_of(len(noisy) - known, len(noisy), "student", verb="was")
    return f"{of} not asked about wrong labels yet: hpmkd measure {shlex.quote(str(saved.output.root))}."
