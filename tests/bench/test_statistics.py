"""Percentiles, intervals and ratios of latencies, against numbers worked out by hand and by other means."""

from __future__ import annotations

import math

import numpy as np
import pytest

from hpmkd.bench.statistics import BEYOND, is_given, percentile, percentiles, ratio, throughput


@pytest.mark.parametrize(
    ("values", "share", "expected"),
    [
        # Nearest rank: the ceil(share * n)-th smallest.
        ([15, 20, 35, 40, 50], 30, 20),
        ([15, 20, 35, 40, 50], 40, 20),
        ([15, 20, 35, 40, 50], 50, 35),
        ([15, 20, 35, 40, 50], 100, 50),
        ([3, 1, 2, 4], 50, 2),
        ([7], 99, 7),
        (list(range(1, 101)), 95, 95),
        (list(range(1, 1001)), 99, 990),
        (list(range(1, 1001)), 90, 900),
    ],
)
def test_percentiles_by_hand(values: list[float], share: float, expected: float) -> None:
    assert percentile(np.array(values, dtype=float), share) == expected


def test_percentiles_as_numpy_has_them() -> None:
    values = np.random.default_rng(1).lognormal(size=777)
    for share in (50, 90, 95, 99):
        assert percentile(values, share) == np.percentile(values, share, method="inverted_cdf")


def test_a_percentile_needs_measurements_beyond_it() -> None:
    assert BEYOND == 5
    assert [is_given(count, 99) for count in (499, 500)] == [False, True]
    assert [is_given(count, 95) for count in (99, 100)] == [False, True]
    found = percentiles([np.arange(1, 51.0), np.arange(51, 101.0)])
    assert (found[50].value, found[90].value, found[95].value) == (50, 90, 95)
    assert math.isnan(found[99].value)


def test_intervals_come_from_rounds_not_from_single_measurements() -> None:
    """Ten rounds, each constant: what is measured again and again in one round is no evidence."""
    rounds = [np.full(100, float(level)) for level in range(1, 11)]
    low, high = percentiles(rounds)[50][1:]
    # Of single measurements the interval of the median would be within 5 and 6; rounds vary by 3.
    assert low <= 4
    assert high >= 7
    shuffled = np.random.default_rng(0).permutation(np.concatenate(rounds)).reshape(10, 100)
    narrow = percentiles(list(shuffled))[50]
    assert narrow.high - narrow.low < high - low


def test_the_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    """Medians of 20 rounds with a level of each round: a bootstrap over rounds covers it, one over calls does not."""
    draw, hits = np.random.default_rng(3), 0
    for _ in range(60):
        rounds = [draw.normal(10 + draw.normal(0, 1), 0.1, size=10) for _ in range(20)]
        low, high = percentiles(rounds)[50][1:]
        hits += low <= 10 <= high
    assert hits >= 50


def test_one_round_has_no_interval() -> None:
    found = percentiles([np.arange(1, 101.0)])[50]
    assert found.value == 50
    assert math.isnan(found.low)


def test_images_per_second_of_busy_time() -> None:
    found = throughput([np.array([0.5, 0.5]), np.array([1.0, 2.0])], batch=8)
    assert found.value == 8 * 4 / 4.0
    assert found.low <= found.value <= found.high


def test_a_ratio_draws_the_same_rounds_for_both() -> None:
    """A machine that is twice as slow in every second round slows both: their ratio stays as it is, exactly."""
    slow = [1.0, 2.0] * 10
    one = [np.full(5, 3.0 * factor) for factor in slow]
    other = [np.full(5, 2.0 * factor) for factor in slow]
    assert ratio(one, other) == pytest.approx((1.5, 1.5, 1.5))
    assert all(math.isnan(value) for value in ratio([np.array([])], [np.array([1.0])]))
