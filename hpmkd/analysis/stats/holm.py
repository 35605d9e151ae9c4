"""Holm's correction (1979). Here, because `multipletests` of statsmodels ends with a collection of all garbage: 0.1 to
0.5 s for each data set of a report."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

# What a p is called that is corrected, in sentences as in tables.
CORRECTED = "p (Holm)"


def holm(p: ArrayLike) -> np.ndarray:
    """Adjusted p in the order given: the k-th smallest of m times m - k + 1, at least the one before it, at most 1."""
    values = np.asarray(p, dtype=float)
    order = np.argsort(values, kind="stable")
    adjusted = np.empty_like(values)
    adjusted[order] = np.minimum(1, np.maximum.accumulate(values[order] * np.arange(len(values), 0, -1)))
    return adjusted
