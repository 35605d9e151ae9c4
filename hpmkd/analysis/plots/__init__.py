"""Figures of a sweep. Pure: DataFrame -> matplotlib Figure."""

from hpmkd.analysis.plots.accuracy import accuracy, differences, retention
from hpmkd.analysis.plots.cost import pareto, times
from hpmkd.analysis.plots.curves import curves
from hpmkd.analysis.plots.groups import critical_differences, interquartile, performance_profiles
from hpmkd.analysis.plots.lineage import lineage

__all__ = [
    "accuracy",
    "critical_differences",
    "curves",
    "differences",
    "interquartile",
    "lineage",
    "pareto",
    "performance_profiles",
    "retention",
    "times",
]
