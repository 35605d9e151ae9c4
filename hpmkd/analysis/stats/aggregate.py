"""One number over data sets, conditions and pairs of networks, with its interval, and the whole distribution behind it.

Agarwal et al. 2021, Deep Reinforcement Learning at the Edge of the Statistical Precipice (NeurIPS). Their `rliable` is
not taken: it brings seaborn and absl, and holds `arch` below 8, of which no version works with pandas 3.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import pandas as pd
from scipy import stats as scipy_stats

from hpmkd.analysis.stats.groups import MIN_GROUPS, students
from hpmkd.audit import places
from hpmkd.audit.places import own_teacher_pct

RESAMPLES = 2_000
POINTS = 101
_NUMBERS = 4_000_000  # resampled, at most: with very many models there are fewer resamples
_SEED = 0
_TAILS = (2.5, 97.5)


def scores(frame: pd.DataFrame, least: int = MIN_GROUPS) -> dict[str, np.ndarray]:
    """Baseline -> (groups, runs): each student's accuracy in percent of its own teacher's, the first of several.

    Nothing below `least` groups. Left out are groups without such a teacher, then baselines that lack a group. A group
    has as many runs as the one with the fewest, the first ones: each group counts the same.
    """
    if students(frame).empty:
        return {}
    frame = places.narrowed(frame, "role", "baseline", "run", "accuracy_pct")
    joined = pd.concat([_scored(students(mine), mine, names["place"]) for names, mine in places.groups(frame)])
    joined = (
        joined.dropna(subset="score").drop_duplicates(["place", "baseline", "run"]).sort_values("run", kind="stable")
    )
    groups, made = joined["place"].nunique(), {}
    if groups < least:
        return {}
    for name, mine in joined.groupby("baseline", sort=False):
        runs = [values.to_numpy(dtype=float) for _, values in mine.groupby("place", sort=True)["score"]]
        if len(runs) == groups:
            fewest = min(map(len, runs))
            made[str(name)] = np.stack([values[:fewest] for values in runs])
    return made


def _scored(taught: pd.DataFrame, part: pd.DataFrame, place: str) -> pd.DataFrame:
    teachers = own_teacher_pct(taught, part, place)
    return taught.assign(score=100 * taught["accuracy_pct"] / teachers.where(teachers > 0))


def interquartile_means(known: Mapping[str, np.ndarray]) -> pd.DataFrame:
    """The interquartile mean of each baseline: the mean of the middle half of all its scores.

    Args:
        known: of `scores`.

    Returns:
        `baseline`, `groups`, `runs` (in each group), `iqm`; `low`, `high`: its 95 % interval, by resampling the runs
        within each group (percentiles, fixed seed); missing where that has no spread. It is about further runs in
        these groups, not about further groups. Of 5 runs it is too narrow, as a bootstrap is: over 4 groups it covers
        the true value in about 88 % of cases, with 10 runs in 93 %.
    """
    rows = []
    for name, values in known.items():
        low, high = np.percentile(scipy_stats.trim_mean(_resampled(values), 0.25, axis=1), _TAILS)
        known_spread = values.shape[1] > 1 and high > low
        rows.append(
            {
                "baseline": name,
                "groups": values.shape[0],
                "runs": values.shape[1],
                "iqm": float(scipy_stats.trim_mean(values, 0.25, axis=None)),
                "low": float(low) if known_spread else math.nan,
                "high": float(high) if known_spread else math.nan,
            }
        )
    return pd.DataFrame(rows, columns=["baseline", "groups", "runs", "iqm", "low", "high"])


def performance_profiles(known: Mapping[str, np.ndarray]) -> pd.DataFrame:
    """Performance profiles: the share of all runs of a baseline whose score is above each of a row of thresholds.

    Args:
        known: of `scores`.

    Returns:
        `baseline`, `threshold`, `share`, and its pointwise 95 % interval `low`, `high` by the resampling of
        `interquartile_means`; missing with a single run.
    """
    columns = ["baseline", "threshold", "share", "low", "high"]
    if not known:
        return pd.DataFrame(columns=columns)
    ends = [end(values) for values in known.values() for end in (np.min, np.max)]
    room = max(max(ends) - min(ends), 1.0) / 50
    thresholds = np.linspace(min(ends) - room, max(ends) + room, POINTS)
    parts = []
    for name, values in known.items():
        drawn = np.sort(_resampled(values), axis=1)
        shares = np.stack([1 - np.searchsorted(row, thresholds, side="right") / drawn.shape[1] for row in drawn])
        low, high = np.percentile(shares, _TAILS, axis=0) if values.shape[1] > 1 else np.full((2, POINTS), math.nan)
        share = (values.ravel()[:, None] > thresholds).mean(axis=0)
        parts.append(pd.DataFrame(dict(zip(columns[1:], (thresholds, share, low, high), strict=True))))
        parts[-1].insert(0, "baseline", name)
    return pd.concat(parts, ignore_index=True)


def _resampled(values: np.ndarray) -> np.ndarray:
    """(resamples, groups * runs): each group's runs drawn anew from that group, a stratified bootstrap."""
    groups, runs = values.shape
    count = max(200, min(RESAMPLES, _NUMBERS // values.size))
    drawn = np.random.default_rng(_SEED).integers(runs, size=(count, groups, runs))
    return np.take_along_axis(values[None], drawn, axis=2).reshape(count, -1)
