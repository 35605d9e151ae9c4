"""The figures of a report, and the learning curves behind one of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from hpmkd.analysis import plots, stats
from hpmkd.analysis.costs import costs
from hpmkd.analysis.plots.cost import has_front
from hpmkd.analysis.plots.groups import has_bands
from hpmkd.analysis.section import Drawing
from hpmkd.audit.places import AXES, with_untaught
from hpmkd.numeric import is_defined
from hpmkd.store.output_dir import OutputDir
from hpmkd.store.progress_log import read_all


def drawings_of(
    frame: pd.DataFrame, compared: pd.DataFrame, curves: pd.DataFrame, order: Sequence[str]
) -> list[Drawing]:
    """The figures, in the order of the page; none without a student.

    Args:
        frame: of `results.collect`.
        compared: of `stats.comparisons`.
        curves: of `curves_of`.
        order: the baselines.
    """
    if stats.students(frame).empty:
        return []
    side_by_side = with_untaught(frame)
    summary = stats.summary(side_by_side)
    dots = "Small points: single runs. Diamonds: means, with their 95 % interval (Student's t) where there is one. "
    text = f"{dots}Dashed: the students' teacher."
    made = [Drawing("accuracy", "Accuracy", partial(plots.accuracy, side_by_side, order), text)]
    if summary["retention_pct"].notna().any():
        text = f"{dots}Dashed: the students' teacher, 100 %."
        made.append(Drawing("retention", "Retention", partial(plots.retention, side_by_side, order), text))
    known = compared[compared["n"] > 0]
    if len(known):
        text = "Mean paired difference and its 95 % interval (Student's t); filled: p < .05 after Holm's correction."
        made.append(Drawing("differences", "Paired differences", partial(plots.differences, known, order), text))
    curves = curves[curves["baseline"].isin(order)]
    if len(curves):
        text = "Thin: single runs. Thick: their mean. Losses of different methods have different terms."
        made.append(Drawing("curves", "Learning curves", partial(plots.curves, curves, order), text))
    text = "Cost: all students and everything that they depend on."
    if has_front(summary):
        text += " Dashed: the Pareto front, which no baseline beats in both accuracy and cost."
    made.append(Drawing("pareto", "Accuracy against cost", partial(plots.pareto, summary, order), text))
    text = "Models shared by several baselines count in each of them, and once in 'all'."
    made.append(Drawing("times", "Where the time went", partial(plots.times, costs(frame), order), text))
    text = "Lines lead from a model to those trained from it, directly or through a cache of its logits;"
    text += " grey where several run together, else in the colour of the baseline."
    return [*made, Drawing("lineage", "Lineage", partial(plots.lineage, frame, order), text)]


def group_drawings(known: Mapping[str, np.ndarray], tests: stats.RankTests, order: Sequence[str]) -> list[Drawing]:
    """The figures over data sets, conditions and pairs, of what there is.

    Args:
        known: of `stats.scores`.
        tests: of `stats.rank_tests`.
        order: the baselines.
    """
    made = []
    if known:
        text = "The mean of the middle half of all runs in all groups, with its 95 % interval (stratified bootstrap)."
        figure = partial(plots.interquartile, stats.interquartile_means(known), order)
        made.append(Drawing("interquartile", "Interquartile means", figure, text))
        profile = stats.performance_profiles(known)
        text = "The higher a line, the more runs reach that retention."
        text += " Bands: 95 %, pointwise (stratified bootstrap)." if has_bands(profile) else ""
        made.append(
            Drawing("profiles", "Performance profiles", partial(plots.performance_profiles, profile, order), text)
        )
    if is_defined(tests.critical_difference):
        text = "Baselines that a bar joins are not shown to differ: their mean ranks are closer than the line on top."
        if tests.friedman is None or tests.friedman[1] >= stats.LEVEL:
            text = "Friedman's test shows no difference, so none is claimed between any two: one bar joins all."
        figure = partial(plots.critical_differences, tests, order)
        made.append(Drawing("ranks", "Critical differences", figure, text))
    return made


def curves_of(output: OutputDir, fingerprints: dict[str, str], frame: pd.DataFrame) -> pd.DataFrame:
    """The kept epochs of planned students whose models are there, from the records in `progress/`."""
    students = stats.students(frame)
    names = {str(row["file"]).rpartition(".")[0]: row for row in students.to_dict("records")}
    columns = [
        "place",
        *AXES,
        "baseline",
        "run",
        "epoch",
        "train_loss",
        "validation_accuracy_pct",
        "lr",
        "train_seconds",
    ]
    rows: list[dict[str, Any]] = []
    kept = read_all(output)
    for key, row in names.items():  # places as they come in all tables, not as files are named
        progress = kept.get(key)
        if progress is not None and progress.fingerprint in ("", fingerprints.get(key, "")):
            about = {name: row[name] for name in columns[:6]}
            rows += [{**about, **epoch} for epoch in progress.epochs]
    made = pd.DataFrame(rows, columns=columns)
    return made.astype(dict.fromkeys(("train_loss", "validation_accuracy_pct"), "float64"))
