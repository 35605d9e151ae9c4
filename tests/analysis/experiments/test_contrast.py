"""Contrasts may have any name."""

from __future__ import annotations

import pandas as pd
import pytest

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
