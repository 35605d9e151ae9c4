"""The benchmark of shared answers: a row for each way, and their sum."""

from __future__ import annotations

import shared_answers


def test_ways_and_their_sum() -> None:
    lines = shared_answers.main(["--images", "200", "--rounds", "1", "--methods", "4"])
    cells = [[part.strip() for part in line.strip("|").split("|")] for line in lines[2:]]
    looks, asks, making, shared, living = (float(one[1]) for one in cells)
    assert asks == living
    assert abs(shared - (looks + making / 4)) < 0.02
