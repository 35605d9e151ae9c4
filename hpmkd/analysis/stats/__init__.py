"""What a sweep's numbers allow one to say. Pure: frames and arrays in, frames and numbers out."""

from hpmkd.analysis.stats.aggregate import interquartile_means, performance_profiles, scores
from hpmkd.analysis.stats.bayes import signed_rank
from hpmkd.analysis.stats.frontier import RESAMPLES as FRONTIER_RESAMPLES
from hpmkd.analysis.stats.frontier import frontier, frontier_shares
from hpmkd.analysis.stats.gap import share_of_gap
from hpmkd.analysis.stats.groups import MIN_GROUPS, students
from hpmkd.analysis.stats.holm import CORRECTED
from hpmkd.analysis.stats.mcnemar import mcnemar_over_runs, mcnemar_test
from hpmkd.analysis.stats.pairs import (
    BOOTSTRAP_SEED,
    CONFIDENCE,
    REFERENCES,
    RESAMPLES,
    comparisons,
    hedges_gz,
    paired,
    same_weights,
    summary,
    t_test,
    wilcoxon,
    with_intervals,
)
from hpmkd.analysis.stats.power import needed, runs_needed
from hpmkd.analysis.stats.ranking import (
    MIN_BASELINES,
    RankTests,
    critical_difference,
    friedman,
    rank_tests,
    ranks,
)
from hpmkd.analysis.stats.tost import LEVEL, MARGIN, equivalence

__all__ = [
    "BOOTSTRAP_SEED",
    "CONFIDENCE",
    "CORRECTED",
    "FRONTIER_RESAMPLES",
    "LEVEL",
    "MARGIN",
    "MIN_BASELINES",
    "MIN_GROUPS",
    "REFERENCES",
    "RESAMPLES",
    "RankTests",
    "comparisons",
    "critical_difference",
    "equivalence",
    "friedman",
    "frontier",
    "frontier_shares",
    "hedges_gz",
    "interquartile_means",
    "mcnemar_over_runs",
    "mcnemar_test",
    "needed",
    "paired",
    "performance_profiles",
    "rank_tests",
    "ranks",
    "runs_needed",
    "same_weights",
    "scores",
    "share_of_gap",
    "signed_rank",
    "students",
    "summary",
    "t_test",
    "wilcoxon",
    "with_intervals",
]
