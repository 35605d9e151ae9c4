"""A sweep's confusions, recalls and reliabilities per baseline. Pure: DataFrame -> arrays and DataFrame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from hpmkd.audit.measure_tables import by_place
from hpmkd.audit.measures import BINS
from hpmkd.audit.places import stems

TEACHER = "teacher"
_CONFUSIONS = 10  # rows of their table per place
Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Group:
    """The models of one baseline (or the teachers) in one place (data set, condition, pair), K classes.

    Args:
        place, baseline: whose.
        recall: mean over the models, `(K,)`; NaN for a class without test images.
        reliability: sum over the models, see `measures.reliability`.
        scaled: the same with the fitted temperature of each; None unless all have one.
        confusion: sum over the models, `(K, K)`; None where there are too many classes.
    """

    place: str
    baseline: str
    recall: Array
    reliability: Array
    scaled: Array | None
    confusion: Array | None

    @property
    def confusion_pct(self) -> Array | None:
        """In percent of each true class; NaN for a class without test images."""
        if self.confusion is None:
            return None
        whole, made = self.confusion.sum(1, keepdims=True), np.full(self.confusion.shape, np.nan)
        np.divide(100 * self.confusion, whole, out=made, where=whole > 0)
        return made


def groups(frame: pd.DataFrame, measured: pd.DataFrame, order: Sequence[str]) -> list[Group]:
    """Of planned teachers and students: places as they come, then the teachers, then baselines in their order.

    Args:
        frame: of `results.collect`.
        measured: of `measured.measure_models`.
        order: the baselines.
    """
    rows = measured.set_index("key")
    about = by_place(frame)
    about = about.assign(key=stems(about))
    about = about[about["key"].isin(rows.index)]
    rank = {name: number for number, name in enumerate([TEACHER, *order])}
    made = []
    for where, mine in about.groupby("place", sort=False):
        for name in sorted(mine["baseline"].dropna().unique(), key=lambda one: rank.get(one, len(rank))):
            made.append(_group(str(where), str(name), rows.loc[mine.loc[mine["baseline"] == name, "key"]]))
    return made


def _group(place: str, baseline: str, rows: pd.DataFrame) -> Group:
    classes = max(map(len, rows["recall"]))  # all have the same, unless somebody has put other files there
    rows = rows[[len(one) == classes for one in rows["recall"]]]

    def total(column: str, shape: tuple[int, int]) -> Array | None:
        whole = all(np.size(one) == shape[0] * shape[1] for one in rows[column])
        return np.sum([np.reshape(one, shape) for one in rows[column]], axis=0) if whole else None

    reliability = total("reliability", (3, BINS))
    assert reliability is not None
    return Group(
        place,
        baseline,
        recall=np.mean([np.asarray(one, dtype=np.float64) for one in rows["recall"]], axis=0),
        reliability=reliability,
        scaled=total("reliability_scaled", (3, BINS)),
        confusion=total("confusion", (classes, classes)),
    )


def confusions(found: Sequence[Group], most: int = _CONFUSIONS) -> pd.DataFrame:
    """The pairs of classes that students confuse most: `place`, `true`, `predicted`, and in percent of the true
    class's images `students_pct` (mean over baselines) and `teacher_pct`."""
    rows = []
    for place in dict.fromkeys(one.place for one in found):
        mine = [one for one in found if one.place == place and one.confusion is not None]
        students = mean_of([one.confusion_pct for one in mine if one.baseline != TEACHER])
        teacher = mean_of([one.confusion_pct for one in mine if one.baseline == TEACHER])
        if students is None:
            continue
        errors = np.where(np.eye(len(students), dtype=bool) | np.isnan(students), 0, students)
        for cell in np.argsort(-errors, axis=None, kind="stable")[:most]:
            true, predicted = divmod(int(cell), len(students))
            if errors[true, predicted] > 0:
                known = teacher is not None and teacher.shape == students.shape
                other = float(teacher[true, predicted]) if known and teacher is not None else np.nan
                rows.append((place, true, predicted, float(errors[true, predicted]), other))
    return pd.DataFrame(rows, columns=["place", "true", "predicted", "students_pct", "teacher_pct"])


def mean_of(parts: Sequence[Array | None]) -> Array | None:
    """The mean of those that are known and of the first one's shape; None where none is."""
    known = [one for one in parts if one is not None]
    return np.mean([one for one in known if one.shape == known[0].shape], axis=0) if known else None


def recall_frame(found: Sequence[Group], order: Sequence[str], most: int) -> pd.DataFrame:
    """`place`, `class`, and a column in percent per baseline; of more than `most` classes of a place those that
    students find least."""
    names = [name for name in (TEACHER, *order) if any(one.baseline == name for one in found)]
    parts = []
    for place in dict.fromkeys(one.place for one in found):
        mine = {one.baseline: 100 * one.recall for one in found if one.place == place}
        classes = max(map(len, mine.values()))
        part = pd.DataFrame({name: values for name, values in mine.items() if len(values) == classes})
        part = part.reindex(columns=names)
        part.insert(0, "class", range(classes))
        if classes > most:
            learners = part[[name for name in names if name != TEACHER] or names]
            part = part.loc[learners.mean(axis=1).nsmallest(most).index.sort_values()]
        part.insert(0, "place", place)
        parts.append(part)
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=["place", "class", *names])
