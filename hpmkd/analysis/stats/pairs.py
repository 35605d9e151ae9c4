"""Intervals of means, and baselines compared run by run. Pure: DataFrame -> DataFrame.

Run r of every baseline starts from the same weights and sees the same images in the same order, so baselines are
compared run by run. The primary test is the paired t-test with Holm's correction; its interval, Student's t, keeps
its 95 % at any n for roughly normal differences. The bootstrap (BCa) beside it assumes less but is too narrow for few
runs: of normal differences it covers the true mean in about 74 % of cases at n = 3, 83 % at n = 5, 90 % at n = 10,
95 % at n = 30.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy import special
from scipy import stats as scipy_stats

from hpmkd.analysis.stats.bayes import signed_rank
from hpmkd.analysis.stats.groups import students
from hpmkd.analysis.stats.holm import holm
from hpmkd.analysis.stats.tost import equivalence, spread
from hpmkd.audit import results
from hpmkd.audit.places import AXES

REFERENCES = ("Direct", "HPM-KD")
CONFIDENCE = 0.95
RESAMPLES = 9999
BOOTSTRAP_SEED = 0
# Accuracies are multiples of one image; differences that agree to this many digits are the same number.
_DIGITS = 9
_MAX_PERMUTATIONS = 2**10


def summary(frame: pd.DataFrame) -> pd.DataFrame:
    """`results.summary`, `with_intervals`."""
    return with_intervals(results.summary(frame))


def with_intervals(table: pd.DataFrame) -> pd.DataFrame:
    """Rows of `runs`, `mean_pct`, `sd_pct`, with the interval of the mean: `low_pct`, `high_pct` (95 %, Student's t).

    Missing for a single run, and where all runs gave the same number: no spread is no evidence of certainty.
    """
    error = table["sd_pct"] / np.sqrt(table["runs"])
    error = error.where(table["sd_pct"].round(_DIGITS) > 0)
    freedom = (table["runs"] - 1).clip(lower=1)
    low, high = scipy_stats.t.interval(CONFIDENCE, freedom, loc=table["mean_pct"], scale=error)
    return table.assign(low_pct=low, high_pct=high)


def comparisons(frame: pd.DataFrame, references: Sequence[str] = REFERENCES) -> pd.DataFrame:
    """`paired` for every place (data set, condition, pair) and every reference that it has: columns `place`, `dataset`,
    `condition`, `pair`, `reference`, its, and `same_weights`: in how many of the pairs both are the same model."""
    parts = []
    first = ["place", *AXES, "reference", "baseline"]
    for place, part in students(frame).groupby("place", sort=False):
        for reference in references:
            if reference in set(part["baseline"]):
                names = {"place": place, **{axis: part[axis].iloc[0] for axis in AXES}, "reference": reference}
                made = paired(part, reference).assign(**names)
                same = [same_weights(part, one, reference)[0] for one in made["baseline"]]
                parts.append(made.assign(same_weights=same))
    if not parts:
        return pd.DataFrame(columns=[*first, *_compare(np.array([])), "p_holm", "same_weights"])
    table = pd.concat(parts, ignore_index=True)
    return table[[*first, *(name for name in table.columns if name not in first)]]


def same_weights(part: pd.DataFrame, one: str, other: str) -> tuple[int, int]:
    """In how many runs two baselines have the same weights, and of how many that is known of both."""
    if "weights_sha256" not in part:
        return 0, 0
    known = part["weights_sha256"].notna() & part["accuracy_pct"].notna()
    columns = (part.loc[known, column].tolist() for column in ("baseline", "run", "weights_sha256"))
    weights: dict[str, dict[Any, str]] = {one: {}, other: {}}
    for name, run, weight in zip(*columns, strict=True):
        if name in weights:
            weights[name].setdefault(run, weight)
    both = weights[one].keys() & weights[other].keys()
    return sum(weights[one][run] == weights[other][run] for run in both), len(both)


def paired(frame: pd.DataFrame, reference: str) -> pd.DataFrame:
    """Each baseline against `reference` on one data set, over the runs that both have.

    Args:
        frame: one row per student: `baseline`, `run`, `accuracy_pct` (percent).
        reference: the baseline that the others are compared with.

    Returns:
        One row per other baseline:
        `n`: pairs; `mean_pct`, `reference_pct`: mean accuracies over them, percent;
        `difference`: mean of baseline - reference, percentage points; `sd`: its sample standard deviation;
        `low`, `high`: its 95 % interval by Student's t; `boot_low`, `boot_high`: by bootstrap (BCa, fixed seed);
        `effect`: Hedges' g_z, see `hedges_gz`;
        `p`: paired t-test, two-sided; `p_holm`: corrected over the rows of this table;
        `p_wilcoxon`: exact signed-rank test; `p_wilcoxon_min`: the smallest p possible with this many pairs;
        `p_improvement`: part of the pairs that the baseline wins, ties count half (Agarwal et al. 2021, for pairs);
        `equal_low`, `equal_high`, `p_equivalence`, `equivalence`: see `equivalence`;
        `p_worse`, `p_same`, `p_better`: see `signed_rank`;
        what cannot be computed is missing.
    """
    # Of a run that lies there under two names, as a copy does, the mean.
    wide = frame.pivot_table(index="run", columns="baseline", values="accuracy_pct", dropna=False)
    wide = wide.reindex(columns=frame["baseline"].unique())
    names = [name for name in dict.fromkeys(frame["baseline"]) if name != reference]
    rows = []
    for name in names:
        both = wide[[name, reference]].dropna()
        values = {"baseline": name, **_compare((both[name] - both[reference]).to_numpy(dtype=float))}
        rows.append({**values, "mean_pct": both[name].mean(), "reference_pct": both[reference].mean()})
    table = pd.DataFrame(rows, columns=["baseline", *_compare(np.array([])), "mean_pct", "reference_pct"])
    table["p_holm"] = np.nan
    known = table["p"].notna()
    if known.any():
        table.loc[known, "p_holm"] = holm(table.loc[known, "p"])
    return table


def t_test(difference: np.ndarray) -> dict[str, Any]:
    """What the paired t-test says of differences in percentage points: `n`, `difference`, `sd`, `low`, `high`, `p`, as
    `paired` has them."""
    difference = np.round(difference, _DIGITS)
    n = len(difference)
    row: dict[str, Any] = {"n": n, "difference": float(difference.mean()) if n else math.nan}
    row |= {"sd": spread(difference), **dict.fromkeys(("low", "high", "p"), math.nan)}
    # Without spread the t statistic is infinite: equal differences of whole images would give p = 0.
    if row["sd"] > 0:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of differences that are nearly the same
            test = scipy_stats.ttest_1samp(difference, 0.0)
            interval = test.confidence_interval(CONFIDENCE)
        row |= {"low": float(interval.low), "high": float(interval.high), "p": float(test.pvalue)}
    return row


def _compare(difference: np.ndarray) -> dict[str, Any]:
    """One row of `paired`, from the differences in percentage points."""
    difference = np.round(difference, _DIGITS)
    row = t_test(difference)
    spreads, p = row["sd"] > 0, row.pop("p")
    row["boot_low"], row["boot_high"] = _bootstrap(difference) if spreads else (math.nan, math.nan)
    row |= {"effect": hedges_gz(difference), "p": p}
    row["p_wilcoxon"], row["p_wilcoxon_min"] = wilcoxon(difference)
    wins = (difference > 0) + 0.5 * (difference == 0)
    row["p_improvement"] = float(wins.mean()) if len(difference) else math.nan
    row |= equivalence(difference)
    row |= dict(zip(("p_worse", "p_same", "p_better"), signed_rank(difference), strict=True))
    return row


def _bootstrap(difference: np.ndarray) -> tuple[float, float]:
    """BCa interval of the mean, percentile where BCa does not exist."""
    for method in ("BCa", "percentile"):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            interval = scipy_stats.bootstrap(
                (difference,), np.mean, n_resamples=RESAMPLES, confidence_level=CONFIDENCE, method=method,
                rng=np.random.default_rng(BOOTSTRAP_SEED), batch=max(1, 10_000_000 // len(difference)),
            ).confidence_interval  # fmt: skip
        if math.isfinite(interval.low) and math.isfinite(interval.high):
            return float(interval.low), float(interval.high)
    return math.nan, math.nan


def hedges_gz(difference: np.ndarray) -> float:
    """Effect size of paired differences: d_z = mean / sd (Cohen 1988), times Hedges' correction (1981).

    J(m) = Gamma(m / 2) / (sqrt(m / 2) Gamma((m - 1) / 2)) with m = n - 1, exact; missing for n < 3, where J is 0.
    """
    freedom = len(difference) - 1
    if freedom < 2 or not spread(difference) > 0:
        return math.nan
    correction = math.exp(special.gammaln(freedom / 2) - special.gammaln((freedom - 1) / 2)) / math.sqrt(freedom / 2)
    return float(correction * difference.mean() / spread(difference))


def wilcoxon(difference: np.ndarray) -> tuple[float, float]:
    """Exact two-sided p of the signed-rank test, and the smallest that it can be: 2 / 2^n over n non-zero differences.

    Zeros are left out (Wilcoxon 1945). With ties the permutation distribution is enumerated up to n = 10; beyond,
    the normal approximation is used, which is good there.
    """
    moved = difference[difference != 0]
    if len(moved) == 0:
        return math.nan, math.nan
    least = min(1.0, 2.0 ** (1 - len(moved)))
    ties = len(np.unique(np.abs(moved))) < len(moved)
    method: Any = "exact"
    if ties:
        permute = 2 ** len(moved) <= _MAX_PERMUTATIONS
        method = scipy_stats.PermutationMethod(n_resamples=2 * _MAX_PERMUTATIONS) if permute else "asymptotic"
    elif len(moved) > 50:
        method = "asymptotic"
    return float(scipy_stats.wilcoxon(moved, method=method).pvalue), least
