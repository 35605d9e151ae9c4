"""The Pareto frontier by brute force, and how sure it is by simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest

from hpmkd.analysis.stats import frontier, frontier_shares


def by_brute_force(cost: list[float], value: list[float]) -> list[bool]:
    made = []
    for c, v in zip(cost, value, strict=True):
        beaten = False
        for other_c, other_v in zip(cost, value, strict=True):
            if other_c <= c and other_v >= v and (other_c, other_v) != (c, v):
                beaten = True
        made.append(not beaten)
    return made


@pytest.mark.parametrize("seed", range(20))
def test_by_brute_force_with_many_ties(seed: int) -> None:
    draw = np.random.default_rng(seed)
    cost, value = draw.integers(0, 5, 12).astype(float), draw.integers(0, 5, 12).astype(float)
    assert frontier(cost, value).tolist() == by_brute_force(list(cost), list(value))


def test_by_hand() -> None:
    cost, value = np.array([1.0, 2.0, 2.0, 3.0, 3.0, 4.0]), np.array([5.0, 6.0, 6.0, 6.0, 9.0, 9.0])
    assert frontier(cost, value).tolist() == [True, True, True, False, True, False], "of equals both"
    stacked = frontier(np.stack([cost, cost]), np.stack([value, -value]))
    assert stacked[1].tolist() == [True, False, False, False, False, False]


def test_shares() -> None:
    draw = np.random.default_rng(1)
    luck = draw.normal(0, 3, 6)[:, None]
    value = 80 + luck + np.array([0.0, 5.0, 2.0]) + draw.normal(0, 0.1, (6, 3))
    own = np.tile([1.0, 2.0, 3.0], (6, 1))
    assert frontier_shares(own, np.zeros(3), value).tolist() == [1.0, 1.0, 0.0], "luck that all share does not matter"
    assert frontier_shares(own, np.array([0.0, 9.0, 0.0]), value).tolist() == [1.0, 1.0, 1.0], "what is shared counts"
    assert np.isnan(frontier_shares(own[:1], np.zeros(3), value[:1])).all()
    assert (frontier_shares(own, np.zeros(3), value) == frontier_shares(own, np.zeros(3), value)).all()


def test_a_cost_that_varies_is_resampled_with_the_runs() -> None:
    value = np.full((8, 2), 80.0)
    own = np.stack([np.full(8, 2.0), np.array([1.0, 3.0] * 4)], axis=1)
    first, second = frontier_shares(own, np.zeros(2), value)
    assert 0.5 < first < 0.8
    assert 0.5 < second < 0.8
    assert first + second > 1, "where both cost the same, both are on it"


@pytest.mark.slow
def test_of_two_equal_methods_the_dearer_one_is_on_it_about_half_of_the_time() -> None:
    """Over sweeps its share is spread from 0 to 1, so that a share is no probability that it belongs there."""
    draw = np.random.default_rng(0)
    shares = []
    for _ in range(400):
        value = 80 + draw.normal(0, 1, (5, 1)) + draw.normal(0, 0.5, (5, 2))
        shares.append(frontier_shares(np.tile([1.0, 2.0], (5, 1)), np.zeros(2), value)[1])
    assert np.mean(shares) == pytest.approx(0.5, abs=0.06)
    assert not math.isclose(np.std(shares), 0)
    assert np.mean(np.array(shares) > 0.95) == pytest.approx(0.11, abs=0.03)
