"""The comparison of baselines, against differences by hand."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

sys.path.insert(0, str(Path(__file__).parent / "benchmarks"))
import evidence

SCORES = {"Direct": [67.0, 68.0, 67.5, 66.5], "HPM-KD": [67.6, 68.2, 68.3, 66.9], "AT": [66.0, 69.0, 67.0, 66.8]}


@pytest.fixture
def frame() -> pd.DataFrame:
    rows = [(name, run, value) for name, values in SCORES.items() for run, value in enumerate(values, 1)]
    rows.append(("Direct", 5, 10.0))  # a run that the others do not have yet is in no pair
    return pd.DataFrame(rows, columns=["baseline", "run", "accuracy_pct"])


def test_paired_differences_by_hand(frame: pd.DataFrame) -> None:
    table = evidence.differences(frame, "Direct").set_index("baseline")
    assert (table["runs"] == 4).all()
    change = np.array(SCORES["HPM-KD"]) - np.array(SCORES["Direct"])
    row = table.loc["HPM-KD"]
    half = stats.t.ppf(0.975, 3) * change.std(ddof=1) / 2
    assert row["difference"] == pytest.approx(change.mean())
    assert (row["low"], row["high"]) == pytest.approx((change.mean() - half, change.mean() + half))
    p = 2 * stats.t.sf(abs(change.mean()) / (change.std(ddof=1) / 2), 3)
    assert row["p"] == pytest.approx(p)
    assert row["p_holm"] == pytest.approx(min(1.0, 2 * p))
    assert pd.isna(table.loc["Direct", "p"])


def test_it_can_be_shown(frame: pd.DataFrame) -> None:
    shown = evidence.show("D", evidence.differences(frame, "Direct"), "Direct")
    assert shown.row_count == 3
    single = evidence.differences(frame[frame["run"] == 1], "Direct")
    assert "p" not in single
