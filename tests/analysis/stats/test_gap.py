"""The share of the gap to the teacher: by brute force, on cases by hand, and its coverage by simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats as scipy_stats

from hpmkd.analysis.stats import share_of_gap


def test_by_hand() -> None:
    direct = np.array([90.0, 91.0, 92.0])
    found = share_of_gap(direct + np.array([1.0, 2.0, 3.0]), direct, 95.0)
    # S - D is 2 on average, T - D is 4 (5, 4, 3).
    assert (found["n"], found["gap"], found["share"]) == (3, 4.0, 0.5)
    reach = scipy_stats.t.ppf(0.975, 2) / math.sqrt(3)
    assert (found["gap_low"], found["gap_high"]) == (pytest.approx(4 - reach), pytest.approx(4 + reach))
    assert found["gap_finding"] == "above"


@pytest.mark.parametrize("seed", range(4))
def test_the_interval_is_where_a_t_test_finds_nothing(seed: int) -> None:
    """Tried share by share with scipy's paired t-test."""
    draw = np.random.default_rng(seed)
    direct = draw.normal(90, 0.6, 6)
    student = direct + draw.normal(1.0, 0.5, 6)
    found = share_of_gap(student, direct, 93.0)
    shares = np.linspace(-2, 3, 50_001)
    p = scipy_stats.ttest_1samp((student - direct)[:, None] - shares * (93.0 - direct)[:, None], 0.0).pvalue
    inside = shares[p >= 0.05]
    assert (found["share_low"], found["share_high"]) == (
        pytest.approx(inside.min(), abs=2e-4), pytest.approx(inside.max(), abs=2e-4),
    )  # fmt: skip
    assert found["share_low"] < found["share"] < found["share_high"]


def test_it_is_hidden_where_the_teacher_is_not_shown_to_be_above() -> None:
    direct = np.array([90.0, 91.0, 92.0])
    for teacher, finding in ((91.0, "not shown"), (80.0, "below"), (92.0, "not shown"), (math.nan, "no test")):
        found = share_of_gap(direct + 1, direct, teacher)
        assert found["gap_finding"] == finding
        assert all(math.isnan(found[name]) for name in ("share", "share_low", "share_high"))
    for few in (direct[:1], direct[:0], np.full(3, 90.0)):
        found = share_of_gap(few + 1, few, 95.0)
        assert (found["gap_finding"], math.isnan(found["share"])) == ("no test", True)


def test_a_student_as_good_as_its_teacher_closes_all_of_it_and_direct_none() -> None:
    direct = np.array([90.0, 91.5, 92.0, 90.2])
    whole, none = share_of_gap(np.full(4, 95.0), direct, 95.0), share_of_gap(direct, direct, 95.0)
    assert [whole[name] for name in ("share", "share_low", "share_high")] == pytest.approx([1, 1, 1], abs=1e-6)
    assert [none[name] for name in ("share", "share_low", "share_high")] == pytest.approx([0, 0, 0], abs=1e-6)


def coverage(runs: int, gap: float, share: float, sd: float = 0.5, sweeps: int = 4000) -> tuple[float, float]:
    """In which part of the sweeps a share is shown, and in which part of those the interval holds the true one."""
    draw = np.random.default_rng([runs, round(10 * gap)])
    luck = draw.normal(0, sd, (sweeps, runs))
    direct = 90 + luck + draw.normal(0, sd, (sweeps, runs))
    student = 90 + share * gap + luck + draw.normal(0, sd, (sweeps, runs))
    found = [share_of_gap(one, other, 90 + gap) for one, other in zip(student, direct, strict=True)]
    shown = [one for one in found if one["gap_finding"] == "above"]
    return len(shown) / sweeps, float(np.mean([one["share_low"] <= share <= one["share_high"] for one in shown]))


@pytest.mark.slow
@pytest.mark.parametrize("runs", [3, 5, 10])
@pytest.mark.parametrize("share", [0.0, 0.4, 1.0])
def test_coverage_where_the_gap_is_wide(runs: int, share: float) -> None:
    shown, covered = coverage(runs, gap=5.0, share=share)
    assert shown > 0.97
    assert covered == pytest.approx(0.95, abs=0.012)


@pytest.mark.slow
@pytest.mark.parametrize(("runs", "share"), [(3, 0.4), (5, 0.0), (5, 0.4), (5, 1.0), (10, 0.4)])
def test_coverage_where_the_gap_is_barely_shown(runs: int, share: float) -> None:
    """That a share is shown only where the gap is costs next to nothing: at least 93 % in these cases."""
    shown, covered = coverage(runs, gap=0.7, share=share)
    assert 0.1 < shown < 0.95
    assert covered > 0.92
