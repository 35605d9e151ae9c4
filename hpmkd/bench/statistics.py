"""Latencies as numbers: percentiles by nearest rank, with intervals from a bootstrap over rounds.

Percentiles as MLPerf Inference reports them (Reddi et al. 2020): each is a latency that was measured. Measurements of
one round are alike, because a machine is in one state for a while, so whole rounds are drawn again, not single
measurements; what is compared was measured in the same rounds, and a ratio draws the same rounds for both.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from hpmkd.numeric import UNKNOWN, Estimate
from hpmkd.store.latency_file import SHARES

BEYOND = 5  # a percentile needs as many measurements beyond it
RESAMPLES = 1000
LEVEL = 0.95
Rounds = Sequence[np.ndarray]


def percentile(values: np.ndarray, share: float) -> float:
    """The smallest of the values that at least `share` percent of them do not exceed."""
    return float(np.sort(values)[_rank(len(values), share)])


def _rank(count: int, share: float) -> int:
    # Rounded first: 0.95 * 100 is not exactly 95.
    return max(1, math.ceil(round(share * count / 100, 9))) - 1


def is_given(count: int, share: float) -> bool:
    """Whether so many measurements say anything of it."""
    return count * (100 - share) >= 100 * BEYOND


def percentiles(rounds: Rounds) -> dict[int, Estimate]:
    """Of all rounds together, by share; unknown where too few measurements lie beyond it."""
    count = sum(map(len, rounds))

    def all_of(values: np.ndarray) -> np.ndarray:
        ordered = np.sort(values)
        return ordered[[_rank(len(values), share) for share in SHARES]]

    found = _estimates(rounds, all_of) if count else []
    return {s: e if is_given(count, s) else UNKNOWN for s, e in zip(SHARES, found or [UNKNOWN] * 4, strict=True)}


def throughput(rounds: Rounds, batch: int) -> Estimate:
    """Images per second of busy time: all images over the sum of all latencies (seconds)."""
    if not sum(map(len, rounds)):
        return UNKNOWN
    return _estimates(rounds, lambda values: np.array([batch * len(values) / values.sum()]))[0]


def ratio(rounds: Rounds, others: Rounds) -> Estimate:
    """Median of `rounds` over the median of `others`, which were measured in the same rounds."""
    pairs = [(one, other) for one, other in zip(rounds, others, strict=True) if len(one) and len(other)]
    if not pairs:
        return UNKNOWN

    def of(places: np.ndarray) -> np.ndarray:
        one, other = (np.concatenate([pairs[place][side] for place in places]) for side in (0, 1))
        return np.array([percentile(one, 50) / percentile(other, 50)])

    return _drawn(len(pairs), of)[0]


def _estimates(rounds: Rounds, of: Callable[[np.ndarray], np.ndarray]) -> list[Estimate]:
    filled = [one for one in rounds if len(one)]
    return _drawn(len(filled), lambda places: of(np.concatenate([filled[place] for place in places])))


def _drawn(count: int, of: Callable[[np.ndarray], np.ndarray]) -> list[Estimate]:
    """The numbers of all rounds, each with the interval that the bootstrap's percentiles give; of one round none."""
    whole = of(np.arange(count))
    if count < 2:
        return [Estimate(float(value), math.nan, math.nan) for value in whole]
    draws = np.random.default_rng(0).integers(count, size=(RESAMPLES, count))
    found = np.array([of(places) for places in draws])
    low, high = np.quantile(found, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
    return [Estimate(*map(float, one)) for one in zip(whole, low, high, strict=True)]
