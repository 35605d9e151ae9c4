"""Accuracy, retention, and differences: a row per baseline, every run a point."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hpmkd.analysis import stats
from hpmkd.analysis.plots.style import TEXT, colours, panels, rows, styled
from hpmkd.audit.places import groups, narrowed, teachers_by_run
from hpmkd.numeric import divide, is_defined

_ROW = 0.33  # inches


def accuracy(frame: pd.DataFrame, order: Sequence[str]) -> Figure:
    """Test accuracy of every student, with mean and 95 % interval; a dashed line is their teacher.

    Args:
        frame: of `results.collect`.
        order: the baselines, the first on top.
    """
    return _dots(frame, order, relative=False)


def retention(frame: pd.DataFrame, order: Sequence[str]) -> Figure:
    """The same in percent of the accuracy of the students' teacher."""
    return _dots(frame, order, relative=True)


def _dots(frame: pd.DataFrame, order: Sequence[str], relative: bool) -> Figure:
    table = stats.summary(frame)
    students = stats.students(frame)
    own_ones = (
        (names["place"], teachers_by_run(part, names["place"]))
        for names, part in groups(narrowed(frame, "role", "run", "accuracy_pct"))
    )
    teachers = {place: by_run for place, by_run in own_ones if len(by_run)}
    names = [name for name in order if name in set(students["baseline"])]
    places = list(dict.fromkeys(students["place"]))
    shade = colours(order)
    with styled():
        figure, axes = panels([_ROW * (len(names) + 1)] * len(places), places)
        for one, where in zip(axes, places, strict=True):
            columns = ["mean_pct", "low_pct", "high_pct"]
            own = table[table["place"] == where]
            part, teacher = own.set_index("baseline")[columns].astype(float), float(own["teacher_pct"].iloc[0])
            scale = divide(100, teacher) if relative else 1.0
            mine = students[students["place"] == where]
            if relative and (by_run := teachers.get(where)) is not None:
                # Each is measured against the teacher of its run: the same points with the mean teacher's 100 %.
                mine = mine.assign(accuracy_pct=mine["accuracy_pct"] / mine["run"].map(by_run) * teacher)
                part = _intervals(mine)
            for place, name in enumerate(names):
                values = mine.loc[mine["baseline"] == name, "accuracy_pct"] * scale
                one.plot(values, [place + 0.18] * len(values), "o", ms=3.5, mew=0, alpha=0.75, color=shade[name])
                if name in part.index:
                    _mean(one, place, part.loc[name] * scale, shade[name])
            if is_defined(teacher * scale):
                one.axvline(teacher * scale, ls="--", lw=1, color=TEXT, alpha=0.7)
            rows(one, names)
        axes[-1].set_xlabel("% of the teacher's accuracy" if relative else "test accuracy, %")
    return figure


def _intervals(students: pd.DataFrame) -> pd.DataFrame:
    """Mean and 95 % interval of each baseline, as `stats.summary` has them of accuracies."""
    values = students.groupby("baseline")["accuracy_pct"]
    known = pd.DataFrame({"runs": values.count(), "mean_pct": values.mean(), "sd_pct": values.std()})
    return stats.with_intervals(known)[["mean_pct", "low_pct", "high_pct"]].astype(float)


def _mean(axes: Axes, place: int, row: pd.Series, colour: str) -> None:
    if pd.notna(row["low_pct"]):
        axes.plot([row["low_pct"], row["high_pct"]], [place - 0.12] * 2, lw=1.8, color=colour)
    axes.plot(row["mean_pct"], place - 0.12, "D", ms=5, color=colour)


def differences(comparisons: pd.DataFrame, order: Sequence[str]) -> Figure:
    """A forest plot of paired differences: mean and 95 % interval (Student's t); filled where p < .05 after Holm."""
    groups = list(comparisons.groupby(["place", "reference"], sort=False))
    shade = colours(order)
    with styled():
        titles = [f"{where}: difference to {reference}" for (where, reference), _ in groups]
        figure, axes = panels([_ROW * (len(part) + 1) for _, part in groups], titles)
        for one, (_, part) in zip(axes, groups, strict=True):
            known = {row["baseline"]: row for row in part.to_dict("records")}
            names = [name for name in order if name in known]
            for place, name in enumerate(names):
                row = known[name]
                if pd.notna(row["low"]):
                    one.plot([row["low"], row["high"]], [place] * 2, lw=1.8, color=shade[name])
                fill = shade[name] if row["p_holm"] < 0.05 else "none"
                one.plot(row["difference"], place, "o", ms=6, mec=shade[name], mfc=fill, mew=1.5)
            one.axvline(0, lw=1, color=TEXT, alpha=0.7)
            rows(one, names)
        axes[-1].set_xlabel("percentage points")
    return figure
