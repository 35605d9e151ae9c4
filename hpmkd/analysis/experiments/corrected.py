"""Tests of what contrasts have in common with others: Holm's correction, and that of runs which share their choice."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy import stats as scipy_stats
from statsmodels.stats.multitest import multipletests

from hpmkd.analysis.stats.tost import spread

CONFIDENCE = 0.95
_DIGITS = 9  # differences that agree to so many are the same


def holm(values: Sequence[float]) -> list[float]:
    """p values after Holm's correction over those that are defined; the others stay missing."""
    known = [number for number, value in enumerate(values) if not math.isnan(value)]
    made = [math.nan] * len(values)
    if known:
        for number, value in zip(known, multipletests([values[one] for one in known], method="holm")[1], strict=True):
            made[number] = float(value)
    return made


def shared_choice(difference: pd.Series) -> dict[str, float]:
    """Differences of n runs, each with what the other n - 1 chose (leave one out): their mean, and what it says.

    Two runs share n - 2 of the n - 1 that chose for them, so they are not independent, and a plain t-test finds too
    much. Nadeau and Bengio (2003) replace 1/n in the variance of the mean by 1/n + n_test / n_train, here
    1/n + 1/(n - 1). In simulations of 2 to 30 equal cells whose accuracies on validation and test images have a
    correlation of 0, 0.5 and 0.9, a plain t-test at 0.05 finds something in up to 15 % of cases, this one in 0 to 4 %
    for 3 to 10 runs, and in at most 7 % for 20.

    Returns:
        `n`, `difference` (the mean), `low`, `high` (95 %), `p`; without a spread the last three are missing.
    """
    n = len(difference)
    return _tested(difference, 1 / n + 1 / (n - 1) if n > 1 else math.nan)


def apart(difference: pd.Series) -> dict[str, float]:
    """Differences of n runs that share nothing: Student's t; what it returns is that of `shared_choice`."""
    return _tested(difference, 1 / len(difference) if len(difference) else math.nan)


def in_a_ring(difference: pd.Series) -> dict[str, float]:
    """Differences of n runs, each with a number of two networks, of which the next run has one, too, and the last run
    one with the first.

    Of numbers of pairs (a U-statistic of order 2) two that share one network have a correlation of at most 1/2
    (Hoeffding 1948). With that, the variance of the mean of a ring is s^2 / n times 2 (n - 1) / (n - 2), s^2 being
    their sample variance, which has 2 (n - 2)^2 / (3 n - 8) degrees of freedom (Satterthwaite 1946): both are taken.
    With less correlation the interval is too wide; below three runs there is none.
    """
    n = len(difference)
    if n < 3:
        return _tested(difference, math.nan)
    return _tested(difference, 2 * (n - 1) / (n * (n - 2)), freedom=2 * (n - 2) ** 2 / (3 * n - 8))


def _tested(difference: pd.Series, share: float, freedom: float | None = None) -> dict[str, float]:
    """Student's t with a variance of the mean of `share` times the sample variance, of `freedom` degrees of freedom
    (default: n - 1)."""
    values = np.round(difference.to_numpy(dtype=float), _DIGITS)
    n, sd = len(values), spread(values)
    row = {"n": float(n), "difference": float(values.mean()) if n else math.nan}
    row |= dict.fromkeys(("low", "high", "p"), math.nan)
    if sd > 0 and share > 0:
        freedom = n - 1 if freedom is None else freedom
        error = sd * math.sqrt(share)
        reach = float(scipy_stats.t.isf((1 - CONFIDENCE) / 2, freedom)) * error
        p = float(2 * scipy_stats.t.sf(abs(row["difference"]) / error, freedom))
        row |= {"low": row["difference"] - reach, "high": row["difference"] + reach, "p": p}
    return row
