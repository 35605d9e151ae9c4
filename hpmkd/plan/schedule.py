"""In which order jobs are made, and how long that takes. Pure: jobs and seconds in, seconds out."""

from __future__ import annotations

import heapq
from collections.abc import Collection, Iterable, Mapping, Sequence

from hpmkd.plan.job import Job


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
    jobs: Sequence[Job], running: Mapping[str, float], seconds: Mapping[str, float], concurrent: int
) -> float:
    """How long it takes until the last of `jobs` is made, as the searcher hands them out (list scheduling).

    Args:
        jobs: what is left to make, parents before children. A parent that is not among them is there already.
        running: key -> seconds that a job which runs now still takes.
        seconds: key -> seconds that each of the other jobs takes, from its start to its end.
        concurrent: how many run side by side.

    Returns:
        Seconds; 0 where nothing is left.
    """
    state = _Simulation(jobs, running)
    now = 0.0
    while True:
        state.start(now, seconds, concurrent)
        if not state.ends:
            return now
        now = state.end_next()


class _Simulation:
    """A sweep played through: which jobs may start, which run until when."""

    def __init__(self, jobs: Sequence[Job], running: Mapping[str, float]) -> None:
        self.jobs, self.running, self.height = jobs, running, heights(jobs)
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
        self.ready = [self._entry(key) for key, count in self.lacks.items() if not count and key not in running]
        heapq.heapify(self.ready)

    def _entry(self, key: str) -> tuple[int, int]:
        return -self.height[key], self.order[key]

    def start(self, now: float, seconds: Mapping[str, float], concurrent: int) -> None:
        """Starts what may run, the critical path first."""
        aside = []
        while self.ready and len(self.ends) < concurrent:
            entry = heapq.heappop(self.ready)
            job = self.jobs[entry[1]]
            if may_run_beside(job, (self.left[key] for _, key in self.ends)):
                heapq.heappush(self.ends, (now + seconds[job.key], job.key))
            else:
                aside.append(entry)
        for entry in aside:
            heapq.heappush(self.ready, entry)

    def end_next(self) -> float:
        """Ends the job that ends first; returns when."""
        now, key = heapq.heappop(self.ends)
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
