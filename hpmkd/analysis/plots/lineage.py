"""The lineage figure: which model was trained from which."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hpmkd.analysis.plots.routes import Box, pieces
from hpmkd.analysis.plots.style import TEXT, WIDTH, colours, panels, plain, styled
from hpmkd.audit.places import groups
from hpmkd.plan.job import place_name

_ROW = 0.42  # inches, of a box of two lines
_HALF = 0.4  # of a box's width, in columns at most
_LETTER = 0.66 / 72  # inches per point of size, of a name with many capitals
_PAD = 0.25  # of a box, in sizes of its letters
_AROUND, _APART = 0.04, 0.07  # inches that lines keep from boxes, and from lines of other parents
_BOTTOM, _TOP = -0.08, 1.08
Shade = Mapping[str, str]


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
    """Teachers, assistants and searches on the left, students on the right; lines lead from parent to child. Where
    several lines of a parent run together they are grey; a line to one baseline alone has its colour."""
    drawn = {names["place"]: _graph(names, part, order) for names, part in groups(frame)}
    # A data set of which only a logits cache is left has nothing to draw.
    places, graphs = [name for name in drawn if drawn[name]], [graph for graph in drawn.values() if graph]
    shade = colours(order)
    with styled():
        labels = [_labels(graph) for graph in graphs]
        heights = [_height(graph, names) for graph, names in zip(graphs, labels, strict=True)]
        figure, axes = panels(heights, places)
        for one, graph, names, height in zip(axes, graphs, labels, heights, strict=True):
            _draw(one, graph, names, height=height, shade=shade)
    return figure


def _draw(axes: Axes, graph: Mapping[str, Node], labels: Mapping[str, str], height: float, shade: Shade) -> None:
    spots, width = _places(graph), _width(graph)
    tallest, unit = _tallest(graph, labels), (_TOP - _BOTTOM) / height  # of an inch
    size = _size(width)
    boxes = {
        name: Box(node.column, spots[name][1], unit * (_box_height(tallest[node.column], size) / 2 + _AROUND))
        for name, node in graph.items()
    }
    edges = [(parent, name) for name, node in graph.items() for parent in sorted(node.parents)]
    for piece in pieces(boxes, edges, _reach(graph, labels), unit * _APART):
        owners = {graph[child].baseline if graph[child].role == "student" else None for child in piece.children}
        colour = shade.get(owners.pop() or "", TEXT) if len(owners) == 1 else TEXT
        x, y = zip(piece.start, piece.end, strict=True)
        axes.plot(x, y, lw=0.9, alpha=0.55, color=colour, zorder=1, solid_capstyle="butt")
    for name, node in graph.items():
        colour = shade.get(node.baseline or "", "#828a91")
        box = {"boxstyle": f"round,pad={_PAD}", "fc": colour, "ec": "none"}
        look: dict[str, Any] = {"size": size, "bbox": box, "color": "white"}
        axes.text(*spots[name], plain(labels[name]), ha="center", va="center", **look)
    axes.set_xlim(-0.55, width - 0.45)
    axes.set_ylim(_BOTTOM, _TOP)
    axes.axis("off")


def _width(graph: Mapping[str, Node]) -> int:
    """Columns."""
    return max(node.column for node in graph.values()) + 1


def _reach(graph: Mapping[str, Node], labels: Mapping[str, str]) -> dict[int, float]:
    """Half of the width of each column's widest box, in columns."""
    size, inches = _size(_width(graph)), WIDTH / (_width(graph) + 0.1)
    made = {}
    for column, names in _columns(graph).items():
        longest = max(len(line) for name in names for line in labels[name].split("\n"))
        made[column] = min(_HALF, ((_LETTER * longest + 3 * _PAD / 72) * size / 2 + _AROUND) / inches)
    return made


def _box_height(lines: int, size: float) -> float:
    """Inches of a box, with its letters in points."""
    return (1.25 * lines + 2 * _PAD) * size / 72


def _size(width: int) -> float:
    """Points of the letters, where there are so many columns."""
    return min(7.5, 6.2 * WIDTH / (1.15 * width))


def _labels(graph: Mapping[str, Node]) -> dict[str, str]:
    """Each in lines that its column has room for."""
    width = _width(graph)
    size = _size(width)
    room = (2 * _HALF * WIDTH / (width + 0.1) - 0.6 * size / 72) / (_LETTER * size)
    return {
        name: "\n".join(part for line in node.label.split("\n") for part in textwrap.wrap(line, max(8, int(room))))
        for name, node in graph.items()
    }


def _tallest(graph: Mapping[str, Node], labels: Mapping[str, str]) -> dict[int, int]:
    """Lines of the tallest box of each column."""
    return {column: max(labels[name].count("\n") + 1 for name in names) for column, names in _columns(graph).items()}


def _height(graph: Mapping[str, Node], labels: Mapping[str, str]) -> float:
    """Inches: the boxes of a column stand at equal distances, so its tallest one says how far apart."""
    tallest = _tallest(graph, labels)
    return max(_ROW * len(names) * max(1.0, (1 + tallest[column]) / 3) for column, names in _columns(graph).items())


def _columns(graph: Mapping[str, Node]) -> dict[int, list[str]]:
    columns: dict[int, list[str]] = {}
    for name, node in graph.items():
        columns.setdefault(node.column, []).append(name)
    return columns


def _places(graph: Mapping[str, Node]) -> dict[str, tuple[float, float]]:
    """Name -> (column, height in [0, 1]); the nodes of a column stand at equal distances."""
    places = {}
    for column, names in _columns(graph).items():
        for place, name in enumerate(names):
            places[name] = (float(column), 1 - (place + 0.5) / len(names))
    return places
