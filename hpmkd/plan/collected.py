"""The jobs of a sweep, each once, parents before children."""

from __future__ import annotations

from collections.abc import Iterable

from hpmkd.plan.job import Job


def add(jobs: dict[str, Job], job: Job) -> None:
    """Under its key, unless it is there."""
    other = jobs.setdefault(job.key, job)
    # Two models under one name would be trained over one another for ever.
    assert other is job or other.fingerprint == job.fingerprint, f"two models are called {job.key}"


def in_order(jobs: Iterable[Job]) -> tuple[Job, ...]:
    """Sorted by how many generations of parents they have, otherwise as they come."""
    return tuple(sorted(jobs, key=_depth))


def _depth(job: Job) -> int:
    return 1 + max(map(_depth, job.parents), default=-1)
