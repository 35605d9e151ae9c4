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
    left = {job.key: job for job in jobs}
    height = heights(jobs)
    children: dict[str, list[Job]] = {}
    lacks: dict[str, int] = {}
    for job in jobs:
        parents = {parent.key for parent in job.parents if parent.key in left}
        lacks[job.key] = len(parents)
        for key in parents:
            children.setdefault(key, []).append(job)
    ends = [(time, key) for key, time in running.items() if key in left]
    heapq.heapify(ends)
    order = {job.key: place for place, job in enumerate(jobs)}
    ready = [(-height[key], order[key]) for key, count in lacks.items() if not count and key not in running]
    heapq.heapify(ready)
    now = 0.0
    while True:
        aside = []
        while ready and len(ends) < concurrent:
            entry = heapq.heappop(ready)
            job = jobs[entry[1]]
            if may_run_beside(job, (left[key] for _, key in ends)):
                heapq.heappush(ends, (now + seconds[job.key], job.key))
            else:
                aside.append(entry)
        for entry in aside:
            heapq.heappush(ready, entry)
        if not ends:
            return now
        now, key = heapq.heappop(ends)
        for child in children.get(key, ()):
            lacks[child.key] -= 1
            if not lacks[child.key] and child.key not in running:
                heapq.heappush(ready, (-height[child.key], order[child.key]))


def without_lost(jobs: Sequence[Job], lost: Collection[str]) -> list[Job]:
    """`jobs` without those in `lost` and what descends from them: they are not made. Parents before children."""
    gone = set(lost)
    for job in jobs:
        if any(parent.key in gone for parent in job.parents):
            gone.add(job.key)
    return [job for job in jobs if job.key not in gone]
