"""Whether a difference is practically nothing: two one-sided tests (TOST, Schuirmann 1987; Lakens 2017)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy import stats as scipy_stats

LEVEL = 0.05
# Percentage points of accuracy; less is called practically the same.
MARGIN = 0.5


def spread(difference: np.ndarray) -> float:
    """Sample standard deviation: 0 where all are equal, of which rounding may leave 1e-17; missing for one."""
    if len(difference) < 2:
        return math.nan
    return float(difference.std(ddof=1)) if difference.max() > difference.min() else 0.0


def equivalence(difference: np.ndarray, margin: float = MARGIN, level: float = LEVEL) -> dict[str, Any]:
    """What paired differences say about [-margin, margin].

    One interval of 1 - 2 `level`, Student's t, decides; so each of the two claims is wrong in at most `level` of cases
    for normal differences (three-sided testing: Goeman, Solari and Stijnen 2010).

    Args:
        difference: one number per pair, percentage points.
        margin: percentage points, above 0.
        level: of each one-sided test.

    Returns:
        `equal_low`, `equal_high`: the interval; `p_equivalence`: the larger of the p of the two one-sided tests;
        `equivalence`: `equivalent` where the interval lies within the margins, `different` where it lies beyond one of
        them, else `undecided`. All are missing below 2 pairs, and where the differences have no spread.
    """
    n, sd = len(difference), spread(difference)
    if not 0 < sd < math.inf:
        return dict.fromkeys(("equal_low", "equal_high", "p_equivalence"), math.nan) | {"equivalence": None}
    error, mean = sd / math.sqrt(n), float(difference.mean())
    reach = float(scipy_stats.t.isf(level, n - 1)) * error
    low, high = mean - reach, mean + reach
    p = float(scipy_stats.t.sf((margin - abs(mean)) / error, n - 1))
    verdict = "undecided"
    if -margin < low and high < margin:
        verdict = "equivalent"
    elif low > margin or high < -margin:
        verdict = "different"
    return {"equal_low": low, "equal_high": high, "p_equivalence": p, "equivalence": verdict}
