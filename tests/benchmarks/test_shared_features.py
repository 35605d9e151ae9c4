"""The benchmark of shared maps: its figures add up."""

from __future__ import annotations

import re

import pytest
import shared_features


def test_reading_is_less_than_asking_and_both_than_a_step() -> None:
    *rows, saved, size = shared_features.main(["--batches", "2", "--rounds", "1", "--batch", "16"])[2:]
    asking, reading, _, step = (float(row.split("|")[2]) for row in rows)
    assert 0 < reading < asking < step
    found = re.search(r"saves (\d+)% of a step", saved)
    assert found is not None
    assert int(found[1]) == pytest.approx(100 * (asking - reading) / step, abs=2)
    assert size == (
        "an image has 81 KiB of maps in one view; 30 epochs of 10,000 images 23 GiB in each run, of one lenet5"
    )
