"""Baselines across data sets, conditions and pairs of networks: ranks, Friedman's test, and what may follow it.

Demsar 2006, Statistical Comparisons of Classifiers over Multiple Data Sets (JMLR 7:1). `scikit-posthocs` has the same
and is well kept; it is not taken because it brings seaborn and loads matplotlib for what scipy has in one call.
`autorank` loads matplotlib too, and needs a package that is distributed without a wheel.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats as scipy_stats

from hpmkd.analysis.stats.groups import MIN_GROUPS, students
from hpmkd.analysis.stats.holm import holm
from hpmkd.analysis.stats.tost import LEVEL

MIN_BASELINES = 3
# Accuracies are multiples of one image; means that agree to this many digits share a rank.
_DIGITS = 9


@dataclass(frozen=True)
class RankTests:
    """What ranks over groups show.

    Args:
        table: of `ranks`, with `p_holm`: against `control`, corrected by Holm; missing where there is none.
        groups, datasets: how many groups were ranked, and of how many data sets they are.
        friedman: statistic and p, of `friedman`.
        critical_difference: of two mean ranks, by Nemenyi; missing below `MIN_GROUPS` or `MIN_BASELINES`.
        control: the baseline that the others are compared with in `p_holm`.
        cliques: neighbours in rank between which no difference is shown: the largest such sets, best first.
    """

    table: pd.DataFrame
    groups: int
    datasets: int
    friedman: tuple[float, float] | None
    critical_difference: float
    control: str | None
    cliques: tuple[tuple[str, ...], ...]


def ranks(frame: pd.DataFrame) -> pd.DataFrame:
    """Across groups: `baseline`, `mean_rank` (1 is best, ties share), `groups`; best first.

    Ranked is the mean accuracy in each group (data set, condition, pair), over the baselines that have every group.
    """
    return _ranks(_by_group(frame))


def _ranks(wide: pd.DataFrame) -> pd.DataFrame:
    if wide.empty:
        return pd.DataFrame(columns=["baseline", "mean_rank", "groups"])
    mean = wide.rank(axis=1, ascending=False, method="average").mean().rename("mean_rank")
    return mean.rename_axis("baseline").reset_index().assign(groups=len(wide)).sort_values("mean_rank", kind="stable")


def friedman(frame: pd.DataFrame) -> tuple[float, float] | None:
    """Statistic and p of Friedman's test on those ranks; None with fewer than 3 baselines or 2 groups."""
    return _friedman(_by_group(frame))


def _friedman(wide: pd.DataFrame) -> tuple[float, float] | None:
    if wide.shape[0] < 2 or wide.shape[1] < MIN_BASELINES:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # where all are equal there is no statistic
        test = scipy_stats.friedmanchisquare(*(wide[name] for name in wide.columns))
    return (float(test.statistic), float(test.pvalue)) if math.isfinite(test.pvalue) else None


def critical_difference(baselines: int, groups: int, level: float = LEVEL) -> float:
    """The difference of two mean ranks that Nemenyi's test needs: q sqrt(k (k + 1) / 6 N), for all pairs together.

    q is the quantile of the studentized range over sqrt(2), with k = `baselines` and infinite degrees of freedom.
    """
    quantile = float(scipy_stats.studentized_range.ppf(1 - level, baselines, np.inf))
    return quantile / math.sqrt(2) * _rank_error(baselines, groups)


def rank_tests(frame: pd.DataFrame, references: Sequence[str]) -> RankTests:
    """Friedman's test, Nemenyi's critical difference, and Holm's procedure against the first reference that is there.

    Where Friedman's test shows no difference, none is claimed: all baselines are one clique.
    """
    wide = _by_group(frame)
    table, overall = _ranks(wide), _friedman(wide)
    known = dict(zip(table["baseline"], table["mean_rank"], strict=True))
    control = next((name for name in references if name in known), None)
    enough = len(wide) >= MIN_GROUPS and len(known) >= MIN_BASELINES
    least = critical_difference(len(known), len(wide)) if enough else math.nan
    shown = overall is not None and overall[1] < LEVEL
    return RankTests(
        table=table.assign(p_holm=_against(known, control, len(wide)) if enough else math.nan),
        groups=len(wide),
        datasets=students(frame)["dataset"].nunique(),
        friedman=overall,
        critical_difference=least,
        control=control if enough else None,
        cliques=_cliques(known, least if shown else math.inf) if enough else (),
    )


def _rank_error(baselines: int, groups: int) -> float:
    """The standard error of a difference of two mean ranks where none is better."""
    return math.sqrt(baselines * (baselines + 1) / (6 * groups))


def _against(known: dict[str, float], control: str | None, groups: int) -> list[float]:
    """p of each baseline against the control: normal, corrected by Holm (Demsar 2006, section 3.2.2)."""
    others = [name for name in known if name != control]
    if control is None:
        return [math.nan] * len(known)
    z = [abs(known[name] - known[control]) / _rank_error(len(known), groups) for name in others]
    corrected = dict(zip(others, holm(2 * scipy_stats.norm.sf(z)), strict=True))
    return [float(corrected.get(name, math.nan)) for name in known]


def _cliques(known: dict[str, float], least: float) -> tuple[tuple[str, ...], ...]:
    """The largest runs of neighbours, by rank, whose ends are no further apart than `least`."""
    names, made, reached = list(known), [], 0
    for start, name in enumerate(names):
        end = max(place for place in range(start, len(names)) if known[names[place]] - known[name] <= least) + 1
        if end - start > 1 and end > reached:
            made.append(tuple(names[start:end]))
            reached = end
    return tuple(made)


def _by_group(frame: pd.DataFrame) -> pd.DataFrame:
    """Mean accuracy, groups x baselines; a baseline that lacks a group is left out."""
    part = students(frame)
    if part.empty:
        return pd.DataFrame()
    wide = part.pivot_table(index="place", columns="baseline", values="accuracy_pct", aggfunc="mean", sort=False)
    return wide.round(_DIGITS).dropna(axis=1)
