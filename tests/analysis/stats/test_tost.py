"""Equivalence: against statsmodels, by hand, and by simulation at the border."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.weightstats import DescrStatsW, ttost_paired

from hpmkd.analysis import stats

CASES = {
    "equivalent": [0.1, -0.2, 0.15, 0.05, -0.1],
    "different": [1.0, 1.2, 0.9, 1.1, 1.0],
    "undecided": [0.5, -0.9, 1.2, 0.3, 0.8],
}


@pytest.mark.parametrize("verdict", CASES)
def test_the_p_and_the_interval_are_those_of_statsmodels(verdict: str) -> None:
    change = np.array(CASES[verdict])
    found = stats.equivalence(change)
    assert found["equivalence"] == verdict
    assert found["p_equivalence"] == pytest.approx(ttost_paired(change, np.zeros(len(change)), -0.5, 0.5)[0])
    low, high = DescrStatsW(change).tconfint_mean(alpha=0.1)
    assert (found["equal_low"], found["equal_high"]) == pytest.approx((low, high))
    turned = stats.equivalence(-change)
    assert turned["equivalence"] == verdict
    assert (turned["equal_low"], turned["equal_high"]) == pytest.approx((-high, -low))


def test_a_difference_that_is_sure_and_small_is_equivalent() -> None:
    """p of the t-test is tiny; practically it is nothing all the same. With a smaller margin it is not."""
    change = np.array([0.2, 0.21, 0.19, 0.2, 0.22])
    assert stats.equivalence(change)["equivalence"] == "equivalent"
    assert stats.equivalence(change, margin=0.1)["equivalence"] == "different"
    assert stats.equivalence(change, margin=0.2)["equivalence"] == "undecided"


@pytest.mark.parametrize("change", [[], [0.1], [0.0, 0.0, 0.0], [0.25, 0.25]])
def test_without_spread_nothing_is_said(change: list[float]) -> None:
    found = stats.equivalence(np.array(change))
    assert found.pop("equivalence") is None
    assert all(math.isnan(value) for value in found.values())


@given(st.lists(st.integers(-300, 300), min_size=2, max_size=12), st.floats(0.05, 3))
def test_interval_and_p_agree(images: list[int], margin: float) -> None:
    found = stats.equivalence(np.array(images) / 100, margin)
    if found["equivalence"] is None:
        assert len(set(images)) == 1
        return
    assert found["equal_low"] < np.mean(images) / 100 < found["equal_high"]
    assert (found["p_equivalence"] < 0.05) == (found["equivalence"] == "equivalent") or found[
        "p_equivalence"
    ] == pytest.approx(0.05)


@pytest.mark.slow
@pytest.mark.parametrize("runs", [3, 5, 10])
def test_both_claims_are_wrong_in_five_percent_at_the_border(runs: int) -> None:
    """The true difference is the margin: each of the two claims is an error; 3 sigma of Monte Carlo are allowed."""
    rng, sweeps = np.random.default_rng(1), 5000
    said = [stats.equivalence(rng.normal(0.5, 0.1, runs))["equivalence"] for _ in range(sweeps)]
    tolerance = 3 * math.sqrt(0.05 * 0.95 / sweeps)
    for claim in ("equivalent", "different"):
        assert said.count(claim) / sweeps == pytest.approx(0.05, abs=tolerance)
