"""Figures of a sweep. Pure: DataFrame -> matplotlib Figure."""

from hpmkd.plots.accuracy import accuracy, differences, retention
from hpmkd.plots.cost import pareto, times
from hpmkd.plots.curves import curves
from hpmkd.plots.lineage import lineage

__all__ = ["accuracy", "curves", "differences", "lineage", "pareto", "retention", "times"]
