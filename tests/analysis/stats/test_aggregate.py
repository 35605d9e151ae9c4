"""Interquartile means and performance profiles: by hand, against scipy's bootstrap, and by simulation."""

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


def three(**scores: list[float | None]) -> pd.DataFrame:
    """The same scores on three data sets, each a point lower than the one before; teachers have 80 %."""
    made = []
    for number in range(3):
        lower = {name: [None if one is None else one - number for one in values] for name, values in scores.items()}
        made.append(make_frame(lower, f"D{number}"))  # type: ignore[arg-type]
    return pd.concat(made, ignore_index=True)


def test_scores_are_percent_of_the_teacher_by_group_and_run() -> None:
    frame = three(Direct=[72.0, 76.0], AT=[80.0, 78.0])
    frame.loc[(frame["role"] == "teacher") & (frame["dataset"] == "D1"), "accuracy_pct"] = 50.0
    known = stats.scores(frame)
    assert known["Direct"] == pytest.approx(np.array([[90, 95], [142, 150], [87.5, 92.5]]))
    assert list(known) == ["Direct", "AT"]


def test_what_is_missing_is_left_out() -> None:
    frame = three(Direct=[72.0, 76.0, 75.0], AT=[80.0, 78.0, None])
    lacking = frame[~((frame["baseline"] == "AT") & (frame["dataset"] == "D2"))]
    assert list(stats.scores(lacking)) == ["Direct"], "AT lacks a group"
    fewer = frame[~((frame["baseline"] == "Direct") & (frame["dataset"] == "D0") & (frame["run"] == 2))]
    known = stats.scores(fewer)
    assert {name: values.shape for name, values in known.items()} == {"Direct": (3, 2), "AT": (3, 2)}
    assert known["Direct"][0].tolist() == pytest.approx([90, 93.75]), "the first that are there"
    no_teacher = frame[~((frame["role"] == "teacher") & (frame["dataset"] == "D0"))]
    assert stats.scores(no_teacher) == {}
    assert len(stats.scores(no_teacher, least=2)["Direct"]) == 2
    assert stats.scores(make_frame({})) == {}
    copied = pd.concat([frame, frame[frame["file"] == "student_D0_AT_run1.pt"].assign(file="copy.pt")])
    assert stats.scores(copied)["AT"].shape == (3, 2)


def test_conditions_and_pairs_are_groups() -> None:
    scores = {"Direct": [70.0, 71.0], "AT": [72.0, 73.0]}
    parts = [make_frame(scores).assign(condition=name, pair="a") for name in (None, "sym0.2", "sym0.4")]
    known = stats.scores(pd.concat(parts, ignore_index=True))
    assert known["AT"].shape == (3, 2)


def test_the_interquartile_mean_by_hand() -> None:
    """Of 8 scores the two lowest and the two highest are left out."""
    known = {"A": np.array([[1.0, 10.0, 20.0, 2.0], [5.0, 6.0, 7.0, 100.0]]), "B": np.full((3, 1), 4.0)}
    first, second = stats.interquartile_means(known).to_dict("records")
    assert first["iqm"] == np.mean([5, 6, 7, 10])
    assert (first["groups"], first["runs"]) == (2, 4)
    assert first["low"] < first["iqm"] < first["high"]
    assert (second["iqm"], second["runs"]) == (4.0, 1)
    assert math.isnan(second["low"])
    assert math.isnan(stats.interquartile_means({"A": np.ones((3, 5))})["low"][0]), "no spread is no certainty"
    assert stats.interquartile_means({}).empty


def test_the_interval_is_that_of_scipys_bootstrap() -> None:
    """Which draws each of several samples anew, so it is stratified by group."""
    values = np.random.default_rng(0).normal([[90.0], [95.0], [97.0], [99.0]], 1.5, (4, 6))

    def middle(*groups: np.ndarray, axis: int) -> np.ndarray:
        return scipy_stats.trim_mean(np.concatenate(groups, axis=axis), 0.25, axis=axis)

    expected = scipy_stats.bootstrap(
        tuple(values), middle, n_resamples=20_000, method="percentile", vectorized=True, rng=np.random.default_rng(1)
    )
    (row,) = stats.interquartile_means({"A": values}).to_dict("records")
    assert (row["low"], row["high"]) == pytest.approx(tuple(expected.confidence_interval), abs=0.05)


def test_profiles_by_hand() -> None:
    known = {"A": np.array([[90.0, 95.0], [90.0, 99.0]]), "B": np.full((2, 1), 96.0)}
    table = stats.performance_profiles(known)
    for name, part in table.groupby("baseline"):
        for row in part.to_dict("records"):
            assert row["share"] == (known[str(name)] > row["threshold"]).mean()
        assert (part["share"].iloc[0], part["share"].iloc[-1]) == (1.0, 0.0)
        assert part["low"].isna().all() == (name == "B")
    sure = table[table["baseline"] == "A"]
    assert ((sure["low"] <= sure["share"]) & (sure["share"] <= sure["high"])).all()
    assert stats.performance_profiles({}).empty


def test_very_many_models_are_resampled_less_often() -> None:
    values = np.random.default_rng(0).normal(95, 1, (2000, 10))
    (row,) = stats.interquartile_means({"A": values}).to_dict("records")
    assert row["low"] < 95 < row["high"]


@settings(max_examples=30)
@given(st.integers(3, 5), st.integers(1, 4), st.integers(1, 4), st.integers(0, 10**6))
def test_means_lie_within_and_profiles_fall(groups: int, runs: int, baselines: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    known = {f"B{number}": rng.integers(0, 4, (groups, runs)) * 25.0 for number in range(baselines)}
    for row in stats.interquartile_means(known).to_dict("records"):
        values = known[row["baseline"]]
        assert values.min() <= row["iqm"] <= values.max()
    for _, part in stats.performance_profiles(known).groupby("baseline"):
        assert (np.diff(part["share"]) <= 0).all()
        assert part["share"].between(0, 1).all()


@pytest.mark.slow
@pytest.mark.parametrize(("runs", "cover"), [(5, 0.88), (10, 0.93)])
def test_the_interval_covers_what_the_documentation_says(runs: int, cover: float) -> None:
    rng, sweeps = np.random.default_rng(8), 600
    levels = np.array([[90.0], [95.0], [97.0], [99.0]])
    true = scipy_stats.trim_mean(rng.normal(levels, 1, (4, 200_000)), 0.25, axis=None)
    hits = 0
    for _ in range(sweeps):
        (row,) = stats.interquartile_means({"A": rng.normal(levels, 1, (4, runs))}).to_dict("records")
        hits += row["low"] <= true <= row["high"]
    assert hits / sweeps == pytest.approx(cover, abs=0.01 + 3 * math.sqrt(cover * (1 - cover) / sweeps))
