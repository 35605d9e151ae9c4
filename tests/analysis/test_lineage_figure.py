"""The figure of who learns from whom."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from support.builders import FULL, make_config, make_jobs
from support.varied import GAP

from hpmkd.analysis import plots
from hpmkd.analysis.plots.lineage import nodes
from hpmkd.plan.catalog import BASELINES


def planned(**config: Any) -> pd.DataFrame:
    """What a plan on Digits says of lineage, before anything is trained."""
    rows = [
        {
            "file": job.file_name,
            "role": job.role,
            "dataset": job.data.name,
            "baseline": job.baseline,
            "planned": True,
            "parents": " ".join(parent.key for parent in job.parents),
        }
        for job in make_jobs(make_config(runs=3, **config)).values()
    ]
    return pd.DataFrame(rows)


def test_lineage_points_from_parents_to_children() -> None:
    order = ["HPM-KD", "Direct", "TraditionalKD"]
    graph = nodes(planned(baselines=order, **FULL), "Digits", order)
    assert graph["student Direct"].parents == set()
    assert graph["student TraditionalKD"].parents == {"teacher_Digits"}
    teachers = {"teacher_Digits", "teacher_Digits_2", "assistant_Digits_HPM-KD_1", "search_Digits"}
    assert graph["student HPM-KD"].parents == teachers
    for node in graph.values():
        assert all(graph[parent].column < node.column for parent in node.parents)
    assert next(name for name in graph if name.startswith("student")) == "student HPM-KD"


def test_lineage_is_legible_where_there_are_tables() -> None:
    """Boxes of a plan with every baseline, and a table of each teacher's logits, do not lie upon each other."""
    frame = planned(kd__logits="auto")
    assert "logits" in set(frame["role"])
    figure = plots.lineage(frame, list(BASELINES))
    FigureCanvasAgg(figure).draw()
    boxes = [text.get_bbox_patch().get_window_extent() for axes in figure.axes for text in axes.texts]
    assert len(boxes) > len(BASELINES)
    for first, second in itertools.combinations(boxes, 2):
        assert not first.overlaps(second)


LONG = ["HPM-KD", "TraditionalKD", "HPM-KD-noChain-noMultiTeacher-noMetaTemp-noAdaptive", "HPM-KD-noSharedMemory"]


MANY = ["Direct", "TraditionalKD", "FitNets", "AT", "TAKD", "TAKD-steps2", "HPM-KD-chain3", "HPM-KD-noSharedMemory"]


@pytest.mark.parametrize("order", [LONG, MANY, ["Direct", "TraditionalKD", "TAKD"]])
def test_lineage_of_long_names_covers_nothing_and_no_line_runs_behind_a_box(order: list[str]) -> None:
    figure = plots.lineage(planned(baselines=order, **GAP), order)
    FigureCanvasAgg(figure).draw()
    (axes,) = figure.axes
    boxes = [text.get_bbox_patch().get_window_extent() for text in axes.texts]
    assert not any(first.overlaps(second) for first, second in itertools.combinations(boxes, 2))
    assert min(box.x0 for box in boxes) >= 0
    assert max(box.x1 for box in boxes) <= figure.bbox.width
    names = [text.get_position() for text in axes.texts]
    for line in axes.lines:
        points = line.get_xydata()
        ends = [box for box, name in zip(boxes, names, strict=True) if name in {(x, y) for x, y in points}]
        for step in line.get_transform().transform(np.linspace(*points, 50)):
            assert not any(box.contains(*step) for box in boxes if box not in ends)


@pytest.mark.parametrize("order", [LONG, MANY, ["Direct", "TraditionalKD", "TAKD"], list(BASELINES)])
def test_lines_of_the_lineage_lead_from_a_box_to_its_children_alone(order: list[str]) -> None:
    """Whoever follows what is drawn, without knowing whose line it is, comes to no other box."""
    frame = planned(baselines=order, **GAP)
    graph = nodes(frame, "Digits", order)
    (axes,) = plots.lineage(frame, order).axes
    spots = dict(zip(graph, (text.get_position() for text in axes.texts), strict=True))
    onward: dict[tuple[float, float], list[tuple[float, float]]] = {}
    for line in axes.lines:
        start, end = map(tuple, line.get_xydata())
        onward.setdefault(start, []).append(end)
    for name, spot in spots.items():
        seen, reached = [spot], set()
        while seen:
            for point in onward.get(seen.pop(), []):
                boxes = {other for other, at in spots.items() if at == point}
                reached |= boxes
                seen += [] if boxes else [point]
        assert reached == {child for child, node in graph.items() if name in node.parents}
