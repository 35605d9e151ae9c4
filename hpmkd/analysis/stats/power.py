"""How many runs it takes: the power of the paired t-test, from the spread of the differences that were measured."""

from __future__ import annotations

import math

import pandas as pd
from scipy import stats as scipy_stats
from statsmodels.stats.power import TTestPower

from hpmkd.analysis.stats.tost import LEVEL, MARGIN

POWER = 0.8
# Beyond, a number of runs is no plan.
MAX_RUNS = 10_000
_CONFIDENCE = 0.95


def runs_needed(sd: float, comparisons: int = 1, difference: float = MARGIN, power: float = POWER) -> float:
    """The runs with which a true `difference` is shown with probability `power`, by the two-sided paired t-test.

    The level is 0.05 / `comparisons`, the first step of Holm's correction: then the difference is shown whatever the
    other comparisons give, so this is an upper bound for Holm's procedure.

    Args:
        sd: standard deviation of the paired differences, percentage points.
        comparisons: how many are corrected together.
        difference: percentage points.
        power: between 0 and 1.

    Returns:
        A whole number from 2; infinite above `MAX_RUNS`; missing without a spread.
    """
    if not 0 < sd < math.inf:
        return math.nan if sd != math.inf else math.inf
    effect, level = difference / sd, LEVEL / max(1, comparisons)
    low, high = 1, MAX_RUNS + 1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if _power(effect, middle, level) >= power else (middle, high)
    return float(high) if high <= MAX_RUNS else math.inf


def _power(effect: float, runs: int, level: float) -> float:
    """In the right direction: a difference that is shown the wrong way round is no success."""
    made = float(TTestPower().power(effect, runs, level / 2, alternative="larger"))
    if math.isfinite(made):
        return made
    # The non-central t distribution fails where it is far from the critical value.
    return float(effect * math.sqrt(runs) > scipy_stats.t.isf(level / 2, runs - 1))


def sd_interval(sd: float, pairs: int) -> tuple[float, float]:
    """The 95 % interval of a standard deviation that `pairs` normal differences gave, by chi-square."""
    freedom = pairs - 1
    if freedom < 1 or not sd > 0:
        return math.nan, math.nan
    tail = (1 - _CONFIDENCE) / 2
    high, low = scipy_stats.chi2.isf(tail, freedom), scipy_stats.chi2.ppf(tail, freedom)
    return sd * math.sqrt(freedom / high), sd * math.sqrt(freedom / low)


def needed(comparisons: pd.DataFrame) -> pd.DataFrame:
    """Of each row of `comparisons`: the runs that `MARGIN` points take there.

    Returns:
        The same rows with `family`: comparisons that Holm corrects together; `runs_needed`: by the measured standard
        deviation; `runs_low`, `runs_high`: by the ends of its 95 % interval.
    """
    family = comparisons.groupby(["place", "reference"], sort=False, dropna=False)["p"].transform("count")
    made = comparisons.assign(family=family.astype("int64"))
    rows = []
    for sd, pairs, count in zip(made["sd"], made["n"], made["family"], strict=True):
        ends = sd_interval(sd, int(pairs))
        rows.append([runs_needed(value, int(count)) for value in (sd, *ends)])
    columns = ["runs_needed", "runs_low", "runs_high"]
    return made.join(pd.DataFrame(rows, columns=columns, index=made.index, dtype="float64"))
