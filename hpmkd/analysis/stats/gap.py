"""Which share of the gap between a teacher and a student without one a method closes, with its interval."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy import stats as scipy_stats

from hpmkd.analysis.stats.tost import spread

CONFIDENCE = 0.95
_DIGITS = 9  # accuracies that agree to so many are the same


def share_of_gap(student: np.ndarray, direct: np.ndarray, teacher: float | np.ndarray) -> dict[str, Any]:
    """(S - D) / (T - D), the ratio of the means over runs, with its 95 % interval by Fieller (1954).

    The interval holds each share s at which a paired t-test of (S - D) - s (T - D) finds nothing: for normal accuracies
    it is exact at any number of runs. It is finite just where the 95 % interval of T - D leaves 0 out, by the same
    t-test; elsewhere, and where the teacher is not above, a share means nothing and is missing. Where all runs have one
    teacher, the interval is about further students of this one; where each has its own, about other teachers, too.

    Args:
        student: accuracy by run, percent.
        direct: of the students without a teacher in the same runs.
        teacher: its accuracy, percent; or those of the runs' own, by run.

    Returns:
        `n`: runs; `gap` (the mean of T - D, points) with its interval `gap_low`, `gap_high` by Student's t;
        `share`, `share_low`, `share_high`: 1 is the whole gap; `gap_finding`: `above`, `below`, `not shown`, `no test`.
    """
    buys, gap = np.round(student - direct, _DIGITS), np.round(teacher - direct, _DIGITS)
    n = len(gap)
    row: dict[str, Any] = {"n": n, "gap": float(gap.mean()) if n else math.nan, "gap_finding": "no test"}
    row |= dict.fromkeys(("gap_low", "gap_high", "share", "share_low", "share_high"), math.nan)
    if not spread(gap) > 0 or not np.isfinite(teacher).all():
        return row
    quantile = float(scipy_stats.t.isf((1 - CONFIDENCE) / 2, n - 1))
    reach = quantile * spread(gap) / math.sqrt(n)
    row |= {"gap_low": row["gap"] - reach, "gap_high": row["gap"] + reach}
    row["gap_finding"] = "above" if row["gap_low"] > 0 else "below" if row["gap_high"] < 0 else "not shown"
    if row["gap_finding"] == "above":
        row |= _fieller(buys, gap, quantile**2 / n)
    return row


def _fieller(above: np.ndarray, below: np.ndarray, scale: float) -> dict[str, float]:
    """The roots of (mean(above) - s mean(below))^2 = scale var(above - s below), `below` being told from 0."""
    first, second = float(above.mean()), float(below.mean())
    covariance = np.cov(above, below)
    a = second**2 - scale * float(covariance[1, 1])
    b = first * second - scale * float(covariance[0, 1])
    c = first**2 - scale * float(covariance[0, 0])
    # Rounding may leave a little below 0 where the interval is a point, as of the teacher itself.
    root = math.sqrt(max(0.0, b**2 - a * c))
    return {"share": first / second, "share_low": (b - root) / a, "share_high": (b + root) / a}
