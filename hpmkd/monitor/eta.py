"""Estimates how long each job takes from the durations measured so far. Pure: seconds in, seconds out."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field

from hpmkd.numeric import divide, is_defined
from hpmkd.plan.effort import effort
from hpmkd.plan.job import Job


def kind(job: Job) -> Hashable:
    """Jobs of one kind take equally long: the same network, recipe and parents' networks, whatever the seed."""
    parents = tuple((parent.role, parent.model) for parent in job.parents)
    return job.role, job.method, job.data, job.model, job.fit, parents


@dataclass
class _Kind:
    """Sums over what was measured: seconds and number of trainings (partial ones count as fractions), and what each job
    took before its first epoch and after its last."""

    role: str
    data: str
    effort: float
    seconds: float = 0.0
    trainings: float = 0.0
    before: list[float] = field(default_factory=list)
    after: list[float] = field(default_factory=list)


class Times:
    """What is known of the seconds that jobs take, as the driver's clock sees them."""

    def __init__(self) -> None:
        self._now: dict[Hashable, _Kind] = {}
        self._earlier: dict[Hashable, _Kind] = {}

    def earlier(self, job: Job, train_seconds: float) -> None:
        """An earlier start made this one. It counts only until this start has measured the same kind: the machine
        may have been another, or busier."""
        found = self._at(self._earlier, job)
        found.seconds, found.trainings = found.seconds + train_seconds, found.trainings + 1

    def trained(self, job: Job, part: float, seconds: float) -> None:
        """A `part` in (0, 1] of a job's epochs took `seconds`, validation and saving included; NaN tells nothing."""
        if not is_defined(part):
            return
        found = self._at(self._now, job)
        found.seconds, found.trainings = found.seconds + seconds, found.trainings + part

    def overhead(self, job: Job, before: float | None, after: float) -> None:
        """What a job took besides its epochs: before the first one (None where that does not count, such as for the
        first job of a worker, which loads torch), and after the last one."""
        found = self._at(self._now, job)
        found.after.append(after)
        if before is not None:
            found.before.append(before)

    @staticmethod
    def _at(kinds: dict[Hashable, _Kind], job: Job) -> _Kind:
        return kinds.setdefault(kind(job), _Kind(job.role, job.data.name, effort(job)))

    def training(self, job: Job) -> float | None:
        """Seconds of all epochs of a job; None where nothing was measured yet.

        A kind that was not measured is scaled by its effort (see `plan.effort`) from those that are nearest to it: of
        the same role on the same data, else on the same data, else all.
        """
        own = kind(job)
        for kinds in (self._now, self._earlier):
            if own in kinds and kinds[own].trainings:
                return divide(kinds[own].seconds, kinds[own].trainings)
        known = [one for kinds in (self._now, self._earlier) for one in kinds.values() if one.trainings]
        here = [one for one in known if one.data == job.data.name]
        alike = [one for one in here if one.role == job.role]
        near = alike or here or known
        each = divide(sum(one.seconds for one in near), sum(one.effort * one.trainings for one in near))
        return effort(job) * each if is_defined(each) else None

    def pace(self) -> float:
        """Seconds per unit of effort, over all that was measured; NaN where nothing was."""
        known = [one for kinds in (self._now, self._earlier) for one in kinds.values() if one.trainings]
        return divide(sum(one.seconds for one in known), sum(one.effort * one.trainings for one in known))

    def before(self, job: Job) -> float:
        """Seconds from a job's start to the begin of its first epoch; 0 where none was measured."""
        return self._typical(job, lambda one: one.before)

    def after(self, job: Job) -> float:
        """Seconds from a job's last epoch to its end (the test, the file); 0 where none was measured."""
        return self._typical(job, lambda one: one.after)

    def _typical(self, job: Job, side: Callable[[_Kind], list[float]]) -> float:
        own = self._now.get(kind(job))
        seen = side(own) if own is not None else []
        seen = seen or [value for one in self._now.values() for value in side(one)]
        return statistics.median(seen) if seen else 0.0

    def whole(self, job: Job) -> float | None:
        """Seconds from a job's start to its end; None where nothing was measured yet."""
        training = self.training(job)
        return None if training is None else self.before(job) + training + self.after(job)
