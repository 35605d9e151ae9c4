"""Runs needed: against published numbers, by hand, and by simulation."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as scipy_stats
from support.frames import make_frame

from hpmkd.analysis import stats
from hpmkd.analysis.stats.power import MAX_RUNS, sd_interval


@pytest.mark.parametrize(("effect", "runs"), [(0.2, 199), (0.5, 34), (0.8, 15)])
def test_numbers_of_pairs_are_those_of_g_power(effect: float, runs: int) -> None:
    """G*Power 3.1, t test for two dependent means, two-sided, level 0.05, power 0.80: Cohen's three effects."""
    assert stats.runs_needed(0.5 / effect) == runs


def test_more_comparisons_more_spread_and_more_power_need_more_runs() -> None:
    assert stats.runs_needed(0.5) < stats.runs_needed(0.5, comparisons=5) < stats.runs_needed(1.0, comparisons=5)
    assert stats.runs_needed(0.5) < stats.runs_needed(0.5, power=0.95)
    assert stats.runs_needed(0.5, difference=1.0) < stats.runs_needed(0.5)


@pytest.mark.parametrize(("sd", "runs"), [(0.0, math.nan), (math.nan, math.nan), (1e-6, 2), (1e6, math.inf)])
def test_numbers_that_are_no_plan(sd: float, runs: float) -> None:
    assert stats.runs_needed(sd) == pytest.approx(runs, nan_ok=True)


def test_interval_of_a_standard_deviation_by_hand() -> None:
    """Quantiles of chi-square with 4 degrees of freedom, of any textbook's table: 0.4844 and 11.1433."""
    assert sd_interval(0.4, 5) == pytest.approx((0.4 * math.sqrt(4 / 11.1433), 0.4 * math.sqrt(4 / 0.4844)), rel=1e-4)
    for nothing in ((0.4, 1), (0.0, 5), (math.nan, 5)):
        assert all(math.isnan(end) for end in sd_interval(*nothing))


def test_each_row_has_its_family_and_its_own_spread() -> None:
    scores = {
        "Direct": [70.0, 71.0, 69.0],
        "AT": [70.5, 71.9, 69.2],
        "TAKD": [70.1, 71.1, 69.1],
        "KD": [70.0, 73.0, 70.0],
    }
    frame = pd.concat([make_frame(scores, "D1"), make_frame({"Direct": [70.0, 71.0], "AT": [70.2, 72.0]}, "D2")])
    table = stats.needed(stats.comparisons(frame)).set_index(["dataset", "baseline"])
    # TAKD has no spread, so no test, and is no member of the family.
    assert table["family"].to_dict() == {("D1", "AT"): 2, ("D1", "TAKD"): 2, ("D1", "KD"): 2, ("D2", "AT"): 1}
    row = table.loc[("D1", "AT")]
    assert row["sd"] == pytest.approx(np.std([0.5, 0.9, 0.2], ddof=1))
    assert row["runs_needed"] == stats.runs_needed(row["sd"], 2)
    assert row["runs_low"] < row["runs_needed"] < row["runs_high"]
    assert table.loc[("D1", "TAKD"), ["runs_needed", "runs_low", "runs_high"]].isna().all()


def test_an_empty_table_stays_one() -> None:
    assert "runs_needed" in stats.needed(stats.comparisons(make_frame({})))


@settings(max_examples=30)
@given(st.floats(0.01, 30), st.integers(1, 40))
def test_one_run_less_is_not_enough(sd: float, comparisons: int) -> None:
    """Against the power by scipy's non-central t distribution."""
    runs = stats.runs_needed(sd, comparisons)

    def power(count: float) -> float:
        critical = scipy_stats.t.isf(0.025 / comparisons, count - 1)
        return float(scipy_stats.nct.sf(critical, count - 1, 0.5 / sd * math.sqrt(count)))

    if math.isfinite(runs):
        enough = power(runs)
        assert enough >= 0.8 - 1e-6 or math.isnan(enough)
        assert runs == 2 or power(runs - 1) < 0.8
    else:
        assert power(MAX_RUNS) < 0.8


@pytest.mark.slow
@pytest.mark.parametrize(("sd", "comparisons"), [(0.4, 1), (0.4, 4), (1.0, 3)])
def test_that_many_runs_show_the_difference_that_often(sd: float, comparisons: int) -> None:
    rng, sweeps = np.random.default_rng(4), 20_000
    runs = int(stats.runs_needed(sd, comparisons))

    def shown(count: int) -> float:
        change = rng.normal(0.5, sd, (sweeps, count))
        return float((scipy_stats.ttest_1samp(change, 0, axis=1).pvalue < 0.05 / comparisons).mean())

    error = 3 * math.sqrt(0.16 / sweeps)
    assert shown(runs) >= 0.8 - error
    assert shown(runs - 1) <= 0.8 + error


@pytest.mark.slow
@pytest.mark.parametrize("runs", [3, 5, 10])
def test_the_interval_of_the_spread_covers_what_it_says(runs: int) -> None:
    rng, sweeps = np.random.default_rng(5), 5000
    ends = [sd_interval(sd, runs) for sd in rng.normal(0, 1, (sweeps, runs)).std(axis=1, ddof=1)]
    assert np.mean([low <= 1 <= high for low, high in ends]) == pytest.approx(0.95, abs=0.01)
