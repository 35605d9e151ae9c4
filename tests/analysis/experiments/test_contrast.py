"""Contrasts may have any name, and are tested as baselines are."""

from __future__ import annotations

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hpmkd.analysis import stats
from hpmkd.analysis.experiments import contrast

RUNS = pd.Series([0.5, 0.7, 0.4, 0.9], index=[1, 2, 3, 4])


@pytest.mark.parametrize("name", ["0", "nothing", "contrast 1", "", "n", "baseline"])
def test_a_name_means_nothing(name: str) -> None:
    """A setting of 0 gives the name 0; what stands for "no difference" inside once had it too."""
    plain = contrast.tested({"x": RUNS, "y": RUNS - 0.5, "z": RUNS * float("nan")})
    found = contrast.tested({name: RUNS, "y": RUNS - 0.5, "z": RUNS * float("nan")})
    assert list(found["name"]) == [name, "y", "z"]
    assert list(found["n"]) == [4, 4, 0]
    pd.testing.assert_frame_equal(found.drop(columns="name"), plain.drop(columns="name"))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 4), st.sampled_from([-1.25, 0.0, 0.5, 0.75, float("nan")])), max_size=9))
def test_it_is_what_a_comparison_with_zeros_says(points: list[tuple[int, float]]) -> None:
    """Of a run that is there twice the mean counts, one without a number is left out."""
    runs, values = ([point[place] for point in points] for place in (0, 1))
    found = contrast.tested({"x": pd.Series(values, index=runs, dtype=float), "y": RUNS})
    rows = [("x", *point) for point in points] + [("y", *point) for point in RUNS.items()]
    rows += [("nothing", run, 0.0) for run in {*runs, *RUNS.index}]
    frame = pd.DataFrame(rows, columns=["baseline", "run", "accuracy_pct"])
    expected = stats.paired(frame, "nothing").set_index("baseline").reindex(["x", "y"])
    columns = ["n", "difference", "low", "high", "p", "p_holm"]
    pd.testing.assert_frame_equal(
        found.set_index("name")[columns], expected[columns].fillna({"n": 0}), check_dtype=False, check_names=False
    )


def test_no_contrasts() -> None:
    found = contrast.tested({})
    assert (len(found), list(found)) == (0, ["name", "n", "difference", "low", "high", "p", "p_holm"])
