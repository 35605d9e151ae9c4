"""McNemar's test: against R and the binomial distribution, over runs, and by simulation."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as scipy_stats
from support.frames import make_frame

from hpmkd.analysis import stats


def answers(both: int, first: int, second: int, none: int) -> tuple[np.ndarray, np.ndarray]:
    """Two models that are right on so many images."""
    counts = [both, first, second, none]
    return np.repeat([True, True, False, False], counts), np.repeat([True, False, True, False], counts)


def test_many_discordant_images_as_in_r() -> None:
    """`mcnemar.test` on R's own example (Agresti 1990: 794, 86, 150, 570) has chi-squared 16.82 with its correction."""
    found = stats.mcnemar_test(*answers(794, 150, 86, 570))
    assert (found["images"], found["only_first"], found["only_second"], found["discordant"]) == (1600, 150, 86, 236)
    assert found["p"] == pytest.approx(scipy_stats.binomtest(86, 236).pvalue)
    assert found["p"] == pytest.approx(scipy_stats.chi2.sf(16.82, 1), rel=0.1)


def test_few_discordant_images_are_counted_exactly() -> None:
    assert stats.mcnemar_test(*answers(90, 1, 9, 0))["p"] == pytest.approx(2 * 11 / 1024)
    assert stats.mcnemar_test(*answers(90, 5, 5, 0))["p"] == 1.0
    assert math.isnan(stats.mcnemar_test(*answers(90, 0, 0, 10))["p"])
    assert math.isnan(stats.mcnemar_test(*answers(0, 0, 0, 0))["p"])


@given(st.integers(0, 40), st.integers(0, 40))
def test_p_is_that_of_a_coin(first: int, second: int) -> None:
    found = stats.mcnemar_test(*answers(3, first, second, 2))
    turned = stats.mcnemar_test(*answers(3, second, first, 2))
    assert found["p"] == pytest.approx(turned["p"], nan_ok=True)
    if first + second:
        assert found["p"] == pytest.approx(scipy_stats.binomtest(first, first + second).pvalue)


def test_other_images_are_refused() -> None:
    with pytest.raises(ValueError, match="one length"):
        stats.mcnemar_test(np.zeros(3, dtype=bool), np.zeros(4, dtype=bool))


def test_runs_are_paired_and_counted_not_added_up() -> None:
    frame = make_frame({"Direct": [70.0, 71.0, 70.5], "AT": [72.0, 72.5, None], "TAKD": [70.0, 71.0, 70.0]})
    known = {}
    for run, counts in enumerate([(80, 12, 2, 6), (80, 8, 7, 5)], 1):
        known[f"student_D_AT_run{run}"], known[f"student_D_Direct_run{run}"] = answers(*counts)
    known["student_D_TAKD_run3"] = answers(80, 12, 2, 6)[0]  # Direct has no outputs of run 3
    table = stats.mcnemar_over_runs(frame, stats.comparisons(frame), known)
    (row,) = table.to_dict("records")
    assert (row["place"], row["baseline"], row["reference"]) == ("D", "AT", "Direct")
    assert (row["runs"], row["images"], row["discordant"]) == (2, 100, 14.5)
    assert (row["better"], row["worse"]) == (1, 0)
    assert row["p_least"] == pytest.approx(2 * scipy_stats.binomtest(12, 14).pvalue)
    known["student_D_AT_run1"] = known["student_D_AT_run1"][:50]
    assert stats.mcnemar_over_runs(frame, stats.comparisons(frame), known)["runs"].tolist() == [1]
    assert stats.mcnemar_over_runs(frame, stats.comparisons(frame), {}).empty


def test_conditions_and_pairs_of_networks_are_kept_apart() -> None:
    scores = {"Direct": [70.0, 71.0], "AT": [72.0, 72.5]}
    parts = []
    for condition in (None, "sym0.2"):
        part = make_frame(scores).assign(condition=condition)
        parts.append(part.assign(file=part["file"].str.replace("_D_", f"_D@{condition}_")))
    frame = pd.concat(parts, ignore_index=True)
    known = {}
    for condition, counts in ((None, (80, 20, 0, 0)), ("sym0.2", (80, 0, 20, 0))):
        known[f"student_D@{condition}_AT_run1"], known[f"student_D@{condition}_Direct_run1"] = answers(*counts)
    pairs = pd.DataFrame({"place": ["D", "D@sym0.2"], "baseline": "AT", "reference": "Direct"})
    table = stats.mcnemar_over_runs(frame, pairs, known)
    assert table[["better", "worse"]].to_numpy().tolist() == [[1, 0], [0, 1]]


@pytest.mark.slow
@pytest.mark.parametrize("discordance", [0.01, 0.2])
def test_models_that_are_equally_good_are_told_apart_in_at_most_five_percent(discordance: float) -> None:
    """Few discordant images (exact, so conservative) and many."""
    rng, sweeps = np.random.default_rng(6), 2000
    wrong = 0
    for _ in range(sweeps):
        kind = rng.choice(3, p=[1 - discordance, discordance / 2, discordance / 2], size=1000)
        p = stats.mcnemar_test(kind != 2, kind != 1)["p"]
        wrong += p < 0.05
    assert wrong / sweeps <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / sweeps)
    assert wrong > 0
