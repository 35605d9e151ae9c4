"""The Bayesian signed-rank test: against values of baycomp, exact ones, and by simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from hpmkd.analysis import stats

# `SignedRankTest(zeros, differences, rope=0.5, nsamples=200000, random_state=1).probs()` of baycomp 1.0.3.
BAYCOMP = {
    (1.0, 1.2, 0.9, 1.1, 1.0): (0.0, 0.0080, 0.9920),
    (0.1, -0.2, 0.3, 0.05, -0.1): (0.0, 1.0, 0.0),
    (0.4, 0.7, -0.2, 0.9, 0.55, 0.5, 1.3): (0.0, 0.3065, 0.6935),
    (0.5, -0.5, 0.25): (0.0, 1.0, 0.0),
}
MONTE_CARLO = 3 * math.sqrt(0.25 / 20_000)


@pytest.mark.parametrize("change", BAYCOMP)
def test_probabilities_are_those_of_baycomp(change: tuple[float, ...]) -> None:
    assert stats.signed_rank(np.array(change)) == pytest.approx(BAYCOMP[change], abs=MONTE_CARLO)


@pytest.mark.parametrize("pairs", [2, 3, 5])
def test_exact_values(pairs: int) -> None:
    """The weight of the imagined pair is Beta(1/2, n). Far differences: only it with itself lies within the region.

    Nearer ones, whose mean with 0 is within: everything but the pairs of two seen differences is.
    """
    prior = scipy_stats.beta(0.5, pairs)
    far, near = (stats.signed_rank(sign * np.linspace(*ends, pairs)) for sign, ends in ((1, (5, 6)), (-1, (0.7, 0.8))))
    assert far == pytest.approx((0, 1 - prior.cdf(math.sqrt(0.5)), prior.cdf(math.sqrt(0.5))), abs=MONTE_CARLO)
    worse = prior.cdf(1 - math.sqrt(0.5))
    assert near == pytest.approx((worse, 1 - worse, 0), abs=MONTE_CARLO)


def test_one_run_is_no_evidence_and_the_same_numbers_give_the_same() -> None:
    assert all(math.isnan(value) for value in stats.signed_rank(np.array([9.0])))
    assert all(math.isnan(value) for value in stats.signed_rank(np.array([])))
    change = np.array([0.4, 0.7, -0.2])
    assert stats.signed_rank(change) == stats.signed_rank(change)
    assert stats.signed_rank(np.zeros(3)) == (0.0, 1.0, 0.0)
    assert sum(stats.signed_rank(np.linspace(0.3, 0.8, 1500))) == pytest.approx(1)


@given(st.lists(st.integers(-300, 300), min_size=2, max_size=8))
def test_probabilities_add_up_and_turn_with_the_sign(images: list[int]) -> None:
    change = np.array(images) / 100
    worse, same, better = stats.signed_rank(change)
    assert worse + same + better == pytest.approx(1)
    assert stats.signed_rank(-change) == pytest.approx((better, same, worse), abs=1e-4)
    assert stats.signed_rank(change + 10)[2] >= better


@pytest.mark.slow
@pytest.mark.parametrize(("runs", "wrong"), [(3, 0.26), (5, 0.17), (10, 0.11)])
def test_it_is_as_sure_at_the_border_as_the_documentation_says(runs: int, wrong: float) -> None:
    rng, sweeps = np.random.default_rng(2), 600
    sure = [max(stats.signed_rank(rng.normal(0.5, 0.3, runs))) > 0.95 for _ in range(sweeps)]
    assert np.mean(sure) == pytest.approx(wrong, abs=0.01 + 3 * math.sqrt(wrong * (1 - wrong) / sweeps))


@pytest.mark.slow
def test_it_becomes_sure_of_what_is_true() -> None:
    rng = np.random.default_rng(3)
    for mean, place in ((-1.0, 0), (0.0, 1), (1.0, 2)):
        found = [stats.signed_rank(rng.normal(mean, 0.5, 20))[place] for _ in range(200)]
        assert np.mean(found) > 0.97
