"""The statistics, against scipy and statsmodels on fixed data, by hand, and by simulation."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as scipy_stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.weightstats import DescrStatsW
from support.frames import make_frame

from hpmkd.analysis import stats
from hpmkd.analysis.stats import pairs

SCORES = {
    "Direct": [67.0, 68.0, 67.5, 66.5, 68.3],
    "AT": [66.0, 69.0, 67.1, 66.8, 68.3],
    "HPM-KD": [67.6, 68.2, 68.3, 66.9, 69.3],
}


@pytest.fixture
def table() -> pd.DataFrame:
    return stats.comparisons(make_frame(SCORES)).set_index(["reference", "baseline"])


def test_interval_of_the_mean_is_that_of_statsmodels() -> None:
    table = stats.summary(make_frame(SCORES)).set_index("baseline")
    for name, values in SCORES.items():
        low, high = DescrStatsW(values).tconfint_mean(0.05)
        row = table.loc[name]
        assert (row["low_pct"], row["high_pct"]) == pytest.approx((low, high))
        assert (row["runs"], row["mean_pct"]) == (5, pytest.approx(np.mean(values)))
        assert row["retention_pct"] == pytest.approx(100 * np.mean(values) / 80)


def test_paired_t_and_holm_are_those_of_scipy_and_statsmodels(table: pd.DataFrame) -> None:
    others = ["AT", "HPM-KD"]
    tests = [scipy_stats.ttest_rel(SCORES[name], SCORES["Direct"]) for name in others]
    assert table.loc["Direct"].loc[others, "p"].tolist() == pytest.approx([test.pvalue for test in tests])
    holm = multipletests([test.pvalue for test in tests], method="holm")[1]
    assert table.loc["Direct"].loc[others, "p_holm"].tolist() == pytest.approx(list(holm))
    interval = tests[1].confidence_interval(0.95)
    row = table.loc[("Direct", "HPM-KD")]
    assert (row["low"], row["high"]) == pytest.approx((interval.low, interval.high))


def test_wilcoxon_is_scipys_and_names_its_minimum(table: pd.DataFrame) -> None:
    row = table.loc[("Direct", "HPM-KD")]
    assert row["p_wilcoxon"] == row["p_wilcoxon_min"] == 2 / 2**5
    tied = table.loc[("Direct", "AT")]
    assert tied["p_wilcoxon_min"] == 2 / 2**4


def test_bootstrap_is_scipys_with_a_fixed_seed(table: pd.DataFrame) -> None:
    change = np.round(np.subtract(SCORES["HPM-KD"], SCORES["Direct"]), 9)
    expected = scipy_stats.bootstrap((change,), np.mean, method="BCa", rng=np.random.default_rng(0), n_resamples=9999)
    row = table.loc[("Direct", "HPM-KD")]
    assert (row["boot_low"], row["boot_high"]) == pytest.approx(tuple(expected.confidence_interval))


def test_effect_improvement_and_difference_by_hand(table: pd.DataFrame) -> None:
    change = np.subtract(SCORES["HPM-KD"], SCORES["Direct"])
    row = table.loc[("Direct", "HPM-KD")]
    assert row["difference"] == pytest.approx(change.mean())
    correction = math.gamma(2) / (math.sqrt(2) * math.gamma(1.5))
    assert row["effect"] == pytest.approx(correction * change.mean() / change.std(ddof=1))
    assert correction == pytest.approx(1 - 3 / (4 * 4 - 1), abs=0.003)  # the usual approximation
    assert row["p_improvement"] == 1.0
    assert table.loc[("Direct", "AT"), "p_improvement"] == pytest.approx((2 + 0.5) / 5)
    assert table.loc[("HPM-KD", "Direct"), "difference"] == pytest.approx(-change.mean())


def test_runs_are_paired_by_number_not_by_order() -> None:
    scores = {"Direct": [60.0, 70.0, 80.0], "AT": [None, 71.0, 82.0]}
    frame = make_frame(scores).sample(frac=1, random_state=1)
    (row,) = stats.comparisons(frame).to_dict("records")
    assert (row["n"], row["difference"]) == (2, pytest.approx(1.5))
    assert (row["mean_pct"], row["reference_pct"]) == (pytest.approx(76.5), pytest.approx(75.0))
    assert math.isnan(row["effect"])


@pytest.mark.parametrize("values", [[70.28169, 71.28169, 72.28169], [70.0, 71.0, 72.0]])
def test_equal_differences_prove_nothing(values: list[float]) -> None:
    """Whole images make such cases, and the t statistic would be infinite."""
    scores = {"Direct": values, "AT": [value + 0.28169014084507 for value in values]}
    (row,) = stats.comparisons(make_frame(scores)).to_dict("records")
    assert row["difference"] == pytest.approx(0.28169014)
    assert all(math.isnan(row[name]) for name in ("p", "p_holm", "low", "high", "boot_low", "boot_high", "effect"))
    assert row["p_wilcoxon"] == pytest.approx(0.25)


@pytest.mark.parametrize("runs", [2, 3, 5, 7, 10])
def test_equal_differences_of_any_size_prove_nothing(runs: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The mean of five times 0.11 is not 0.11 in floating point: what looks like a spread is none."""
    _quick(monkeypatch)
    for hundredths in range(1, 60, 1 + runs // 3):
        scores = {"Direct": [70.0] * runs, "AT": [70 + hundredths / 100] * runs}
        (row,) = stats.comparisons(make_frame(scores)).to_dict("records")
        assert math.isnan(row["p"])
        assert row["sd"] == 0


def test_one_run_gives_no_interval_and_no_test() -> None:
    frame = make_frame({"Direct": [70.0], "AT": [71.0]})
    (row,) = stats.comparisons(frame).to_dict("records")
    assert (row["n"], row["difference"], row["p_wilcoxon_min"]) == (1, 1.0, 1.0)
    assert all(math.isnan(row[name]) for name in ("p", "p_holm", "low", "boot_low", "effect"))
    assert stats.summary(frame)["low_pct"].isna().all()


def test_no_spread_is_no_certainty() -> None:
    table = stats.summary(make_frame({"Direct": [95.77464788732394] * 3})).set_index("baseline")
    assert math.isnan(table.loc["Direct", "low_pct"])


def test_empty_frames_give_empty_tables() -> None:
    frame = make_frame({})
    assert stats.comparisons(frame).empty
    assert "p_holm" in stats.comparisons(frame)
    assert stats.ranks(frame).empty
    assert stats.friedman(frame) is None
    assert stats.summary(frame.iloc[:0]).empty


def test_ranks_and_friedman_over_data_sets() -> None:
    rows = {"D1": (70, 71, 72), "D2": (80, 82, 81), "D3": (60, 61, 61)}
    parts = [make_frame({"A": [a], "B": [b], "C": [c]}, name) for name, (a, b, c) in rows.items()]
    frame = pd.concat(parts)
    table = stats.ranks(frame).set_index("baseline")
    assert table["mean_rank"].to_dict() == pytest.approx({"A": 3.0, "B": (2 + 1 + 1.5) / 3, "C": (1 + 2 + 1.5) / 3})
    assert (table["groups"] == 3).all()
    expected = scipy_stats.friedmanchisquare(*zip(*rows.values(), strict=True))
    assert stats.friedman(frame) == pytest.approx((expected.statistic, expected.pvalue))
    lacking = frame[~((frame["dataset"] == "D1") & (frame["baseline"] == "C"))]
    assert list(stats.ranks(lacking)["baseline"]) == ["B", "A"]
    assert stats.friedman(lacking) is None


def test_unplanned_models_are_left_out() -> None:
    frame = make_frame(SCORES)
    frame.loc[frame["baseline"] == "AT", "planned"] = False
    assert set(stats.comparisons(frame)["baseline"]) == {"Direct", "HPM-KD"}


@settings(max_examples=40)
@given(st.lists(st.integers(-3, 3), min_size=2, max_size=9))
def test_exact_wilcoxon_with_ties_by_enumeration(images: list[int]) -> None:
    """Every sign pattern of the ranks, counted."""
    moved = np.array([value for value in images if value], dtype=float)
    p, least = stats.wilcoxon(np.array(images, dtype=float))
    if len(moved) == 0:
        assert math.isnan(p)
        return
    rank = scipy_stats.rankdata(np.abs(moved))
    signs = np.array(np.meshgrid(*[[0, 1]] * len(moved))).reshape(len(moved), -1)
    sums, seen = rank @ signs, rank[moved > 0].sum()
    tail = min((sums <= seen + 1e-9).mean(), (sums >= seen - 1e-9).mean())
    assert p == pytest.approx(min(1.0, 2 * tail))
    assert p >= least - 1e-12


def _null(rng: np.random.Generator, runs: int, baselines: int, shift: float = 0.0) -> pd.DataFrame:
    """Students of one data set with a common part per run, as paired runs have; no method is better."""
    common = rng.normal(70, 1, runs)
    scores = {"Direct": common + rng.normal(0, 0.3, runs)}
    scores |= {f"M{i}": common + shift + rng.normal(0, 0.3, runs) for i in range(baselines)}
    return make_frame({name: list(values) for name, values in scores.items()})


def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pairs, "RESAMPLES", 99)


@pytest.mark.slow
def test_false_positives_of_a_family_are_at_most_five_percent(monkeypatch: pytest.MonkeyPatch) -> None:
    """No method is better: any significant one among four (Holm) is an error; 3 sigma of Monte Carlo are allowed."""
    _quick(monkeypatch)
    rng, sweeps = np.random.default_rng(1), 400
    wrong = sum((stats.comparisons(_null(rng, 5, 4))["p_holm"] < 0.05).any() for _ in range(sweeps))
    assert wrong / sweeps <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / sweeps)


@pytest.mark.slow
def test_intervals_cover_what_they_say(monkeypatch: pytest.MonkeyPatch) -> None:
    """Student's t: 95 % at n = 5, for differences and for means. Bootstrap: what the module's first lines say."""
    _quick(monkeypatch)
    rng, sweeps = np.random.default_rng(2), 400
    hits, means = 0, 0
    for _ in range(sweeps):
        frame = _null(rng, 5, 1, shift=0.4)
        row = stats.comparisons(frame).iloc[0]
        hits += row["low"] <= 0.4 <= row["high"]
        mean = stats.summary(frame).set_index("baseline").loc["M0"]
        means += mean["low_pct"] <= 70.4 <= mean["high_pct"]
    tolerance = 3 * math.sqrt(0.05 * 0.95 / sweeps)
    assert hits / sweeps == pytest.approx(0.95, abs=tolerance)
    assert means / sweeps == pytest.approx(0.95, abs=tolerance)


@pytest.mark.slow
@pytest.mark.parametrize(("runs", "cover"), [(3, 0.74), (5, 0.83), (10, 0.90), (30, 0.95)])
def test_bootstrap_covers_what_the_documentation_says(runs: int, cover: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pairs, "RESAMPLES", 999)
    rng = np.random.default_rng(3)
    rows = [pairs._bootstrap(rng.normal(0.3, 1.0, runs)) for _ in range(600)]
    assert sum(low <= 0.3 <= high for low, high in rows) / len(rows) == pytest.approx(cover, abs=0.05)


def test_columns_stand_in_the_order_in_which_they_are_described() -> None:
    frame = make_frame({"Direct": [70.0, 71.0, 72.5], "AT": [71.0, 71.5, 74.0]})
    assert list(stats.paired(frame, "Direct").columns[1:11]) == [
        "n", "difference", "sd", "low", "high", "boot_low", "boot_high", "effect", "p", "p_wilcoxon",
    ]  # fmt: skip
