"""Which of several methods nothing beats in both cost and accuracy, and how sure that is."""

from __future__ import annotations

import numpy as np

RESAMPLES = 2_000
_SEED = 0
_DIGITS = 9  # accuracies that agree to so many are the same
_CHUNK = 2_000_000  # comparisons held at a time


def frontier(cost: np.ndarray, value: np.ndarray) -> np.ndarray:
    """Whether each point is on the Pareto frontier: no other has as much for less, or more for no more.

    Args:
        cost: (..., points).
        value: (..., points), of which more is better.

    Returns:
        (..., points) of bool. Of points that agree in both, all are or none is.
    """
    no_dearer = cost[..., None, :] <= cost[..., :, None]
    no_worse = value[..., None, :] >= value[..., :, None]
    better = (cost[..., None, :] < cost[..., :, None]) | (value[..., None, :] > value[..., :, None])
    return np.asarray(~(no_dearer & no_worse & better).any(axis=-1))


def frontier_shares(own: np.ndarray, shared: np.ndarray, value: np.ndarray) -> np.ndarray:
    """In which part of resampled sweeps each method is on the frontier; missing for a single run.

    The runs are drawn anew with replacement, the same ones for every method, as runs are paired. As any bootstrap this
    is too sure of few runs, and it is about further students of the same teachers.

    Args:
        own: (runs, methods), what each student costs by itself.
        shared: (methods,), what is shared by students, for one of them.
        value: (runs, methods), accuracy.

    Returns:
        (methods,), from 0 to 1.
    """
    runs, methods = value.shape
    if runs < 2:
        return np.full(methods, np.nan)
    drawn = np.random.default_rng(_SEED).integers(runs, size=(RESAMPLES, runs))
    found, step = np.zeros(methods), max(1, _CHUNK // methods**2)
    for start in range(0, RESAMPLES, step):
        some = drawn[start : start + step]
        means = np.round(value[some].mean(axis=1), _DIGITS)
        found += frontier(own[some].mean(axis=1) + shared, means).sum(axis=0)
    return found / RESAMPLES
