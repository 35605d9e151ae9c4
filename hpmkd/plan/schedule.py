"""In which order jobs are made, and how long that takes. Pure: jobs and seconds in, seconds out."""

from __future__ import annotations

import heapq
import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from hpmkd.plan.job import Job
from hpmkd.plan.roles import Role


@dataclass(frozen=True)
class Places:
    """Who fits beside whom: a machine has `total` places, and a job takes as many of them as its role needs.

    Whole numbers, because fractions of a machine (a third, a seventh) would not add up to 1.

    Args:
        side_by_side: so many jobs of a role, and none of another, fill the machine; of every role.
    """

    side_by_side: Mapping[Role, int]

    @classmethod
    def alike(cls, concurrent: int) -> Places:
        """So many jobs side by side, whatever their roles."""
        return cls(dict.fromkeys(Role, concurrent))

    @cached_property
    def total(self) -> int:
        """Places of the machine."""
        return math.lcm(*self.side_by_side.values())

    def taken_by(self, job: Job) -> int:
        """Places that a job takes while it runs."""
        return self.total // self.side_by_side[job.role]


def heights(jobs: Sequence[Job]) -> dict[str, int]:
    """Epochs on the longest path from each job to a student, by key: the critical path goes first.

    Args:
        jobs: parents before children.
    """
    below: dict[str, int] = {}
    for job in reversed(jobs):
        height = below.get(job.key, 0) + job.fit.epochs
        below[job.key] = height
        for parent in job.parents:
            below[parent.key] = max(below.get(parent.key, 0), height)
    return below


def may_run_beside(job: Job, live: Iterable[Job]) -> bool:
    """Whether nothing runs that `job` must wait for, its parents aside.

    That is: a model of its baseline, if that is trained one by one; the same model under another name, which the
    shared memory will then have.
    """
    if not (job.shared or job.serial):
        return True  # most jobs, asked for again and again
    return not any(
        (job.shared and other.fingerprint == job.fingerprint) or (job.serial and other.baseline == job.baseline)
        for other in live
    )


def seconds_left(
    jobs: Sequence[Job], running: Mapping[str, float], seconds: Mapping[str, float], places: Places
) -> float:
    """How long it takes until the last of `jobs` is made, as the searcher hands them out (list scheduling).

    Args:
        jobs: what is left to make, parents before children. A parent that is not among them is there already.
        running: key -> seconds that a job which runs now still takes.
        seconds: key -> seconds that each of the other jobs takes, from its start to its end.
        places: how many run side by side. On several GPUs more may have to wait: a share lies on one of them.

    Returns:
        Seconds; 0 where nothing is left.
    """
    state = _Simulation(jobs, running, places)
    now = 0.0
    while True:
        state.start(now, seconds)
        if not state.ends:
            return now
        now = state.end_next()


class _Simulation:
    """A sweep played through: which jobs may start, which run until when."""

    def __init__(self, jobs: Sequence[Job], running: Mapping[str, float], places: Places) -> None:
        self.jobs, self.running, self.height, self.places = jobs, running, heights(jobs), places
        self.left = {job.key: job for job in jobs}
        self.order = {job.key: place for place, job in enumerate(jobs)}
        self.children: dict[str, list[Job]] = {}
        self.lacks: dict[str, int] = {}  # key -> parents that are not there yet
        for job in jobs:
            parents = {parent.key for parent in job.parents if parent.key in self.left}
            self.lacks[job.key] = len(parents)
            for key in parents:
                self.children.setdefault(key, []).append(job)
        self.ends = [(time, key) for key, time in running.items() if key in self.left]
        heapq.heapify(self.ends)
        self.taken = sum(places.taken_by(self.left[key]) for _, key in self.ends)
        self.ready = [self._entry(key) for key, count in self.lacks.items() if not count and key not in running]
        heapq.heapify(self.ready)

    def _entry(self, key: str) -> tuple[int, int]:
        return -self.height[key], self.order[key]

    def start(self, now: float, seconds: Mapping[str, float]) -> None:
        """Starts what may run, the critical path first; a job that finds too few places is not overtaken."""
        aside = []
        while self.ready and self.taken < self.places.total:
            entry = heapq.heappop(self.ready)
            job = self.jobs[entry[1]]
            if not may_run_beside(job, (self.left[key] for _, key in self.ends)):
                aside.append(entry)
                continue
            if self.taken + self.places.taken_by(job) > self.places.total:
                aside.append(entry)
                break
            heapq.heappush(self.ends, (now + seconds[job.key], job.key))
            self.taken += self.places.taken_by(job)
        for entry in aside:
            heapq.heappush(self.ready, entry)

    def end_next(self) -> float:
        """Ends the job that ends first; returns when."""
        now, key = heapq.heappop(self.ends)
        self.taken -= self.places.taken_by(self.left[key])
        for child in self.children.get(key, ()):
            self.lacks[child.key] -= 1
            if not self.lacks[child.key] and child.key not in self.running:
                heapq.heappush(self.ready, self._entry(child.key))
        return now


def without_lost(jobs: Sequence[Job], lost: Collection[str]) -> list[Job]:
    """`jobs` without those in `lost` and what descends from them: they are not made. Parents before children."""
    gone = set(lost)
    for job in jobs:
        if any(parent.key in gone for parent in job.parents):
            gone.add(job.key)
    return [job for job in jobs if job.key not in gone]
