"""The lineage figure: which model was trained from which."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from hpmkd.analysis.plots.style import TEXT, WIDTH, colours, panels, plain, styled
from hpmkd.audit.places import groups
from hpmkd.plan.job import place_name

_ROW = 0.42  # inches, of a box of two lines
_HALF = 0.41  # of a box's width, in columns at most; lines change their height between the columns alone
_LETTER = 0.6 / 72  # inches per point of size


@dataclass
class Node:
    """A model, or all students of a baseline: its label, its column, and the nodes that it was trained from."""

    label: str
    role: str
    column: int = 0
    baseline: str | None = None
    parents: set[str] = field(default_factory=set)


def nodes(frame: pd.DataFrame, where: str, order: Sequence[str] = ()) -> dict[str, Node]:
    """The graph of one place: parents stand left of their children, students in the last column.

    Logits caches are left out: who reads one has the model that it is of as a parent, too.

    Args:
        frame: of `results.collect`.
        where: data set, condition and pair as in names of files.
        order: the baselines.
    """
    found = [(names, rows) for names, rows in groups(frame) if names["place"] == where]
    return _graph(*found[0], order) if found else {}


def _graph(names: Mapping[str, Any], part: pd.DataFrame, order: Sequence[str]) -> dict[str, Node]:
    part = part[part["role"] != "logits"]
    made: dict[str, Node] = {}
    shared = place_name(names["dataset"], names["condition"], "")  # what the name of a pair's teacher begins with
    part = part[part["role"] != "logits"]
    place = {name: number for number, name in enumerate(order)}
    part = part.sort_values("baseline", key=lambda names: names.map(place).fillna(-1), kind="stable")
    for row in part.to_dict("records"):
        stem = str(row["file"]).rpartition(".")[0]
        parents = set(str(row["parents"]).split())
        if row["role"] == "student":
            name = str(row["baseline"])
            runs = int(((part["role"] == "student") & (part["baseline"] == name)).sum())
            node = made.setdefault(f"student {name}", Node(f"{name}\n{runs} run{'s' * (runs > 1)}", "student", 0, name))
            node.parents |= parents
        else:
            rest = stem.removeprefix(f"{row['role']}_").removeprefix(names["place"]).removeprefix(shared)
            rest = rest.strip("+_").replace("_", " ")
            made[stem] = Node(
                f"{row['role']}\n{rest}".strip(), str(row["role"]), column=0, baseline=None, parents=parents
            )
    for node in made.values():
        node.parents &= made.keys()
        node.column = _depth(node, made)
    last = 1 + max((node.column for node in made.values() if node.role != "student"), default=-1)
    for node in made.values():
        node.column = last if node.role == "student" else node.column
    return made


def _depth(node: Node, known: dict[str, Node], above: frozenset[str] = frozenset()) -> int:
    """`above`: those on the way here; a circle, which only edited metadata can have, ends there."""
    parents = (node.parents & known.keys()) - above
    return max((1 + _depth(known[name], known, above | {name}) for name in parents), default=0)


def lineage(frame: pd.DataFrame, order: Sequence[str]) -> Figure:
    """Teachers, assistants and searches on the left, students on the right; lines lead from parent to child."""
    drawn = {names["place"]: _graph(names, part, order) for names, part in groups(frame)}
    # A data set of which only a logits cache is left has nothing to draw.
    places, graphs = [name for name in drawn if drawn[name]], [graph for graph in drawn.values() if graph]
    with styled():
        labels = [_labels(graph) for graph in graphs]
        heights = [_height(graph, names) for graph, names in zip(graphs, labels, strict=True)]
        figure, axes = panels(heights, places)
        for one, graph, names in zip(axes, graphs, labels, strict=True):
            spots = _places(graph)
            shade = colours(order)
            for name, node in graph.items():
                colour = shade.get(node.baseline or "", TEXT)
                for parent in sorted(node.parents):  # a set has no order of its own
                    one.plot(*_way(graph, spots[parent], spots[name]), lw=0.9, alpha=0.55, color=colour, zorder=1)
            width = max(node.column for node in graph.values()) + 1
            for name, node in graph.items():
                colour = shade.get(node.baseline or "", "#828a91")
                box = {"boxstyle": "round,pad=0.25", "fc": colour, "ec": "none"}
                look: dict[str, Any] = {"size": _size(width), "bbox": box, "color": "white"}
                one.text(*spots[name], plain(names[name]), ha="center", va="center", **look)
            one.set_xlim(-0.55, width - 0.45)
            one.set_ylim(-0.08, 1.08)
            one.axis("off")
    return figure


def _size(width: int) -> float:
    """Points of the letters, where there are so many columns."""
    return min(7.5, 6.2 * WIDTH / (1.15 * width))


def _labels(graph: Mapping[str, Node]) -> dict[str, str]:
    """Each in lines that its column has room for."""
    width = max(node.column for node in graph.values()) + 1
    size = _size(width)
    room = (2 * _HALF * WIDTH / (width + 0.1) - 0.6 * size / 72) / (_LETTER * size)
    return {
        name: "\n".join(part for line in node.label.split("\n") for part in textwrap.wrap(line, max(8, int(room))))
        for name, node in graph.items()
    }


def _height(graph: dict[str, Node], labels: Mapping[str, str]) -> float:
    """Inches: the boxes of a column stand at equal distances, so its tallest one says how far apart."""
    tallest = {column: max(labels[name].count("\n") + 1 for name in names) for column, names in _columns(graph).items()}
    return max(_ROW * len(names) * max(1.0, (1 + tallest[column]) / 3) for column, names in _columns(graph).items())


def _way(
    graph: dict[str, Node], start: tuple[float, float], end: tuple[float, float]
) -> tuple[list[float], list[float]]:
    """x and y of a line from parent to child that runs behind no other box: through each column between them at the
    border of two boxes that is nearest to the straight line."""
    columns = _columns(graph)
    points = [start, (start[0] + _HALF, start[1])]
    for column in range(int(start[0]) + 1, int(end[0])):
        straight = start[1] + (end[1] - start[1]) * (column - start[0]) / (end[0] - start[0])
        count = len(columns.get(column, ()))
        borders = [place / count for place in range(count + 1)] if count else [straight]
        border = min(borders, key=lambda y: abs(y - straight))
        points += [(column - _HALF, border), (column + _HALF, border)]
    points += [(end[0] - _HALF, end[1]), end]
    return [x for x, _ in points], [y for _, y in points]


def _columns(graph: dict[str, Node]) -> dict[int, list[str]]:
    columns: dict[int, list[str]] = {}
    for name, node in graph.items():
        columns.setdefault(node.column, []).append(name)
    return columns


def _places(graph: dict[str, Node]) -> dict[str, tuple[float, float]]:
    """Name -> (column, height in [0, 1]); the nodes of a column stand at equal distances."""
    places = {}
    for column, names in _columns(graph).items():
        for place, name in enumerate(names):
            places[name] = (float(column), 1 - (place + 0.5) / len(names))
    return places
