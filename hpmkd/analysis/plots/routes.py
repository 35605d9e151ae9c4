"""Ways of lines between boxes that stand in columns, so that each is seen to come from its parent alone.

No line runs behind a box that is not at one of its ends, and lines of two parents never run in one another: through
each gap between boxes a parent has a lane of its own, which those of its lines share that pass there. They part behind
it.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

Point = tuple[float, float]
Gap = tuple[float, float]
BOTTOM, TOP = -0.06, 1.06  # of what lines may use; boxes stand between 0 and 1


@dataclass(frozen=True)
class Box:
    """Its column, the height of its middle in [0, 1], and half of its own height with what should stay free."""

    column: int
    y: float
    half: float


@dataclass(frozen=True)
class Piece:
    """A straight part of lines of one parent, with the children that they lead to."""

    parent: str
    start: Point
    end: Point
    children: tuple[str, ...]


def pieces(
    boxes: Mapping[str, Box], edges: Sequence[tuple[str, str]], reach: Mapping[int, float], apart: float
) -> list[Piece]:
    """All straight parts, each once.

    Args:
        boxes: by name.
        edges: parent and child; the child's column is the larger one.
        reach: half of the width of each column: lines change their height between columns alone.
        apart: between two lanes, in units of height, where a gap has room for it.
    """
    lanes = _lanes(boxes, edges, apart)
    found: dict[tuple[str, Point, Point], list[str]] = {}
    for parent, child in edges:
        start, end = boxes[parent], boxes[child]
        points = [(float(start.column), start.y), (start.column + reach[start.column], start.y)]
        for column in range(start.column + 1, end.column):
            y = lanes[parent, child, column]
            points += [(column - reach[column], y), (column + reach[column], y)]
        points += [(end.column - reach[end.column], end.y), (float(end.column), end.y)]
        for piece in itertools.pairwise(points):
            found.setdefault((parent, *piece), []).append(child)
    return [Piece(parent, start, end, tuple(children)) for (parent, start, end), children in found.items()]


def _lanes(
    boxes: Mapping[str, Box], edges: Sequence[tuple[str, str]], apart: float
) -> dict[tuple[str, str, int], float]:
    """(parent, child, column between them) -> height."""
    free = {column: _gaps([box for box in boxes.values() if box.column == column]) for column in _columns(boxes)}
    wanted: dict[tuple[int, Gap], dict[str, list[float]]] = {}
    taken: dict[tuple[str, str, int], Gap] = {}
    for parent, child in edges:
        start, end = boxes[parent], boxes[child]
        for column in range(start.column + 1, end.column):
            straight = start.y + (end.y - start.y) * (column - start.column) / (end.column - start.column)
            gap = min(free.get(column, [(BOTTOM, TOP)]), key=lambda one: abs(_inside(straight, one) - straight))
            taken[parent, child, column] = gap
            wanted.setdefault((column, gap), {}).setdefault(parent, []).append(_inside(straight, gap))
    heights: dict[tuple[int, Gap, str], float] = {}
    for (column, gap), parents in wanted.items():
        means = {name: sum(values) / len(values) for name, values in parents.items()}
        order = sorted(means, key=lambda name: (means[name], boxes[name].y, name))
        for name, y in zip(order, _spread([means[name] for name in order], gap, apart), strict=True):
            heights[column, gap, name] = y
    return {(parent, child, column): heights[column, gap, parent] for (parent, child, column), gap in taken.items()}


def _columns(boxes: Mapping[str, Box]) -> Iterable[int]:
    return sorted({box.column for box in boxes.values()})


def _gaps(column: Iterable[Box]) -> list[Gap]:
    """What is free above, between and below the boxes of a column; of boxes that touch the middle of their border."""
    ends = [(BOTTOM, BOTTOM), *sorted((box.y - box.half, box.y + box.half) for box in column), (TOP, TOP)]
    found = [(below[1], above[0]) for below, above in itertools.pairwise(ends)]
    return [(low, high) if low <= high else ((low + high) / 2,) * 2 for low, high in found]


def _inside(y: float, gap: Gap) -> float:
    return min(max(y, gap[0]), gap[1])


def _spread(wanted: Sequence[float], gap: Gap, apart: float) -> list[float]:
    """Heights in a gap, as near to the wanted ones (which ascend) as their distances allow."""
    step = min(apart, (gap[1] - gap[0]) / max(1, len(wanted) - 1))
    made: list[float] = []
    for y in wanted:
        made.append(max(y, made[-1] + step) if made else y)
    limit = gap[1]
    for place in reversed(range(len(made))):
        made[place] = min(made[place], limit)
        limit = made[place] - step
    return made
