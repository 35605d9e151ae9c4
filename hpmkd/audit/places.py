"""The places of a sweep: data set, condition and pair. Within one, models are compared. Pure: DataFrame in and out."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from hpmkd.config.conditions import as_taught, sees_clean_teacher
from hpmkd.numeric import divide
from hpmkd.plan.job import Job, place_name

if TYPE_CHECKING:
    import pandas as pd

AXES = ("dataset", "condition", "pair")
# Their values; a teacher that several pairs share has no pair.
Place = tuple[str | None, str | None, str | None]


def placed(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with a column `place`, such as `CIFAR10@n2500+r56-r20`, and the axes that it lacks."""
    import pandas as pd

    values = {axis: _or_none(frame, axis) for axis in AXES}
    names = [place_name(str(name), condition, pair) for name, condition, pair in zip(*values.values(), strict=True)]
    axes = {axis: pd.Series(column, index=frame.index, dtype=object) for axis, column in values.items()}
    return frame.assign(**axes, place=names)


def _or_none(frame: pd.DataFrame, axis: str) -> list[Any]:
    """The values of a column, each missing one as None."""
    if axis not in frame:
        return [None] * len(frame)
    column = frame[axis]
    return [value if known else None for value, known in zip(column.tolist(), column.notna().tolist(), strict=True)]


def condition_of(place: str) -> str | None:
    """The condition in the name of a place: `n5` of `D@n5+pair`."""
    return place.partition("@")[2].partition("+")[0] or None


def students(frame: pd.DataFrame) -> pd.DataFrame:
    """The planned students of a results frame, with a column `place`: what baselines are compared on. Those that do not
    say of which data set, baseline and run they are cannot be."""
    named = frame["dataset"].notna() & frame["baseline"].notna() & frame["run"].notna()
    return placed(frame[(frame["role"] == "student") & frame["planned"].astype(bool) & named])


def groups(frame: pd.DataFrame) -> Iterator[tuple[dict[str, Any], pd.DataFrame]]:
    """The planned rows of each place, as they come, with its names: `dataset`, `condition`, `pair`, `place`.

    A teacher, or the cache of its logits, may belong to several pairs: it is among the rows of each that needs it. So
    may one of the data set without a condition belong to places whose teachers are clean.
    """
    rows = placed(frame[frame["planned"].astype(bool) & frame["dataset"].notna()])
    for (dataset, condition), own in rows.groupby(["dataset", "condition"], sort=False, dropna=False):
        names: dict[str, Any] = {"dataset": dataset, "condition": None if condition != condition else condition}
        part = _with_clean(rows, dataset, condition) if sees_clean_teacher(names["condition"]) else own
        pairs: list[Any] = list(dict.fromkeys(part["pair"].dropna())) or [None]
        for pair in pairs:
            mine = part if pair is None else _of_pair(part, pair)
            yield {**names, "pair": pair, "place": place_name(str(dataset), names["condition"], pair)}, mine


def narrowed(frame: pd.DataFrame, *columns: str) -> pd.DataFrame:
    """The frame with these columns, as far as it has them, and those that `groups` reads: the fewer there are, the
    faster rows are picked."""
    return frame[frame.columns.intersection([*AXES, "planned", "file", "ancestors", "teacher", *columns])]


def with_untaught(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame, and in each place whose teachers are clean also the students that learn from none, such as Direct's.

    They are trained once, on the same images with teachers of either kind, and stand under the condition without clean
    teachers. Where they lack, the baselines of such a place have nothing to be compared with. Sums over models need the
    frame as it is: these rows are there twice.
    """
    if "ancestors" not in frame:
        return frame
    known = placed(frame)
    known["images"] = [_images(*names) for names in zip(*(known[axis].tolist() for axis in AXES), strict=True)]
    mine = known["planned"].astype(bool) & (known["role"] == "student")
    alone, added = known["ancestors"].fillna("") == "", []
    for _, own in known[mine].groupby("place", sort=False):
        condition = own["condition"].iloc[0]
        if sees_clean_teacher(condition):
            same = known["images"] == own["images"].iloc[0]
            lacking = frame[mine & same & alone & ~known["baseline"].isin(own["baseline"])]
            added.append(lacking.assign(condition=condition, **({"teacher": None} if "teacher" in frame else {})))
    if not any(map(len, added)):
        return frame
    import pandas as pd

    whole: pd.DataFrame = pd.concat([frame, *(one for one in added if len(one))], ignore_index=True)
    return whole


def _images(dataset: Any, condition: Any, pair: Any) -> str:
    """What students of a place are trained on, whoever teaches them, and what they are."""
    return place_name(str(dataset), as_taught(condition), pair)


def _of_pair(part: pd.DataFrame, pair: str) -> pd.DataFrame:
    own = part["pair"] == pair
    return part[own | (part["pair"].isna() & stems(part).isin(_needed(part[own])))]


def _with_clean(rows: pd.DataFrame, dataset: Any, condition: Any) -> pd.DataFrame:
    """The rows of a condition, and those of its data set that they need, in the order of the frame."""
    # Not by the index: where frames of several sweeps are one, its labels are there several times.
    known: pd.DataFrame = rows[rows["dataset"] == dataset]
    own: pd.Series = known["condition"] == condition
    return known[own | stems(known).isin(_needed(known[own]))]


def _needed(part: pd.DataFrame) -> set[str]:
    """Stems of what these rows have learnt from, and of the teachers that they are measured against."""
    needed = (
        {name for text in part["ancestors"].dropna().tolist() for name in str(text).split()}
        if "ancestors" in part
        else set()
    )
    return needed | (set(part["teacher"].dropna().tolist()) if "teacher" in part else set())


def places_in(jobs: Iterable[Job]) -> list[Place]:
    """The places of a plan in the order of the command: all teachers stand before all else."""
    return list(dict.fromkeys((job.axes["dataset"], job.axes["condition"], job.axes["pair"]) for job in jobs))


def in_order(frame: pd.DataFrame, places: Sequence[Place]) -> pd.Index:
    """The index of a frame, by place: data set with condition, then pair; rows of one place, and of no place that is
    known, as they come."""
    first: dict[tuple[str | None, str | None], int] = {}
    pairs: dict[str | None, int] = {}
    for dataset, condition, pair in places:
        first.setdefault((dataset, condition), len(first))
        pairs.setdefault(pair, len(pairs))
    axes = placed(frame)[list(AXES)]
    keys = [(first.get((one, two), len(first)), pairs.get(pair, len(pairs))) for one, two, pair in axes.to_numpy()]
    return frame.index[sorted(range(len(keys)), key=keys.__getitem__)]


def stems(frame: pd.DataFrame) -> pd.Series:
    """Names of files without their endings."""
    import pandas as pd

    # A call of pandas for each of few names takes longer than all of them do in Python.
    return pd.Series([str(name).rsplit(".", 1)[0] for name in frame["file"].tolist()], index=frame.index, dtype="str")


def distinct(part: pd.DataFrame) -> pd.DataFrame:
    """Each network once: of rows with the same weights, as a second training of the same recipe gives, the first."""
    if "weights_sha256" not in part:
        return part
    weights = part["weights_sha256"]
    return part[weights.isna() | ~weights.duplicated()]


def teacher_pct(part: pd.DataFrame, place: str) -> float:
    """Test accuracy of the teacher that the students of a place are measured against; NaN where there is none.

    It is the first teacher, whatever further ones a baseline has; where each run has teachers of its own, the mean of
    the runs' first ones. Of files of which no plan is known, where none has its name, it is the mean of all.
    """
    return float(_first_teachers(part, place)["accuracy_pct"].mean())


def teachers_by_run(part: pd.DataFrame, place: str) -> pd.Series:
    """Run -> test accuracy of its own first teacher; empty where all runs share one (`teacher_pct`)."""
    own = _first_teachers(part, place)
    own = own[own["run"].notna()] if "run" in own else own.iloc[:0]
    return own.groupby("run")["accuracy_pct"].mean()


def own_teacher_pct(taught: pd.DataFrame, part: pd.DataFrame, place: str) -> pd.Series:
    """Of each of these students of a place, whose rows are `part`: test accuracy of the teacher of its run."""
    import pandas as pd

    by_run = teachers_by_run(part, place)
    if len(by_run):
        return taught["run"].map(by_run).astype("float64")
    return pd.Series(teacher_pct(part, place), index=taught.index, dtype="float64")


def retention_pct(accuracy: pd.Series, teacher: float, by_run: pd.Series) -> float:
    """Accuracy of students (by run) in percent of their teacher's; where each run has its own, the mean of the runs'.

    Missing where there is no teacher, or it has 0 %.
    """
    if not len(by_run):
        return 100 * divide(accuracy.mean(), teacher)
    own = by_run.reindex(accuracy.index).astype("float64")
    return float((100 * accuracy / own.where(own > 0)).mean(skipna=False))


def _first_teachers(part: pd.DataFrame, place: str) -> pd.DataFrame:
    teachers = part[part["role"] == "teacher"]
    wanted = set(part["teacher"].dropna().tolist()) if "teacher" in part else set()
    usual = re.compile(re.escape(f"teacher_{place}") + r"(_run\d+)?")
    own = [name in wanted if wanted else bool(usual.fullmatch(name)) for name in stems(teachers).tolist()]
    return teachers.loc[own] if any(own) or wanted else teachers
