"""Ways of lines between boxes."""

from __future__ import annotations

import itertools

import pytest

from hpmkd.analysis.plots.routes import BOTTOM, TOP, Box, pieces

HALF, APART = 0.05, 0.02
REACH = {0: 0.4, 1: 0.38, 2: 0.2}


def column(number: int, *names: str) -> dict[str, Box]:
    return {name: Box(number, 1 - (place + 0.5) / len(names), HALF) for place, name in enumerate(names)}


@pytest.mark.parametrize("apart", [APART, 0.5])
def test_each_parent_has_a_lane_of_its_own_through_a_gap(apart: float) -> None:
    """Five teachers pass one search; where the gap is too small for their distances, they are nearer."""
    boxes = column(0, *"abcde") | column(1, "search") | column(2, *"12345678")
    edges = [(parent, child) for parent in "abcde" for child in "12345678"]
    flat = [(one.parent, one.start[1]) for one in pieces(boxes, edges, REACH, apart) if one.start[0] == 1 - 0.38]
    assert len(flat) == len(set(flat)), "those of one parent run together"
    heights = sorted(y for _, y in flat)
    assert all(BOTTOM <= y <= TOP for y in heights)
    assert all(abs(y - boxes["search"].y) >= HALF - 1e-9 for y in heights)
    gaps = [later - former for former, later in itertools.pairwise(heights)]
    assert min(gaps) > APART - 1e-9


def test_lines_part_after_the_gap_and_say_whom_they_lead_to() -> None:
    boxes = column(0, "t") | column(1, "search") | column(2, "1", "2", "3", "4")
    found = pieces(boxes, [("t", child) for child in "1234"], REACH, APART)
    assert [one.children for one in found if one.start == (0.0, boxes["t"].y)] == [("1", "2", "3", "4")]
    assert sorted(one.children for one in found if one.start[0] == 1 - 0.38) == [("1", "2"), ("3", "4")]
    assert sorted(one.children for one in found if one.end[0] == 2.0) == [("1",), ("2",), ("3",), ("4",)]


def test_boxes_that_touch_leave_a_way_between_them() -> None:
    boxes = column(0, "t") | {f"b{place}": Box(1, y, 0.3) for place, y in enumerate((0.75, 0.25))} | column(2, "1")
    (lane,) = {one.start[1] for one in pieces(boxes, [("t", "1")], REACH, APART) if one.start[0] == 1 - 0.38}
    assert lane == pytest.approx(0.5)
