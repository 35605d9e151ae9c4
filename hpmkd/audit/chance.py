"""Networks that have learnt nothing, so that numbers which rest on them say nothing. Pure: DataFrame -> sentences."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from hpmkd.audit.results import summary
from hpmkd.numeric import fixed
from hpmkd.plan.job import Job

if TYPE_CHECKING:
    import pandas as pd

HIGH = 120.0  # percent; with a higher retention the teacher is far worse than those it teaches
_NEAR = 0.05  # of the way from chance to all images


def near_chance(accuracy_pct: float, classes: int) -> bool:
    """Whether an accuracy is no more, or hardly more, than guessing one of so many classes would give.

    The bound is a twentieth of the way from there to 100 %, but at most twice as much: 52.5 % of 2 classes, 14.5 % of
    10, 2 % of 100.
    """
    chance = 100 / classes
    return accuracy_pct <= min(2 * chance, chance + _NEAR * (100 - chance))


def classes_of(jobs: Iterable[Job]) -> dict[str, int]:
    """How many classes each data set of a plan has, by name."""
    return {job.data.name: job.data.classes for job in jobs}


def without_meaning(frame: pd.DataFrame, classes: Mapping[str, int]) -> list[str]:
    """The places in which retention, accuracy in percent of the teacher's, says nothing or little: see `remarks`."""
    made = []
    for place, part in summary(frame).groupby("place", sort=False):
        known, teacher = classes.get(str(part["dataset"].iloc[0])), float(part["teacher_pct"].iloc[0])
        students = part[part["baseline"] != "teacher"]
        if (known and near_chance(teacher, known)) or (students["retention_pct"] > HIGH).any():
            made.append(str(place))
    return made


def remarks(frame: pd.DataFrame, classes: Mapping[str, int]) -> list[str]:
    """A sentence for each teacher and each baseline near chance, and for a retention that no good teacher allows.

    Args:
        frame: of `results.collect`.
        classes: of data sets, by name; nothing is said of others.
    """
    made = []
    for place, part in summary(frame).groupby("place", sort=False):
        known = classes.get(str(part["dataset"].iloc[0]))
        if not known:
            continue
        teacher, students = float(part["teacher_pct"].iloc[0]), part[part["baseline"] != "teacher"]
        if near_chance(teacher, known):
            said = f"the teacher of {place} is at or near chance ({fixed(teacher, 2)} % of {known} classes)"
            made.append(f"{said}: retention says nothing, nor does what its students learn from it.")
        elif len(high := students[students["retention_pct"] > HIGH]):
            best = max(high.to_dict("records"), key=lambda row: float(row["retention_pct"]))
            said = f"the teacher of {place} ({fixed(teacher, 2)} %) is far worse than {best['baseline']}"
            made.append(f"{said} (retention {fixed(best['retention_pct'], 1)} %): retention says little.")
        names = [str(row["baseline"]) for row in students.to_dict("records") if near_chance(row["mean_pct"], known)]
        if names:
            verb = "is" if len(names) == 1 else "are"
            made.append(f"on {place} {', '.join(names)} {verb} at or near chance (mean accuracy, {known} classes).")
    return [line[:1].upper() + line[1:] for line in made]
