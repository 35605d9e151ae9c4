"""What the shared memory may give to a sweep."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from hpmkd.plan.baseline import Baseline
from hpmkd.plan.job import Job


def marked(jobs: Iterable[Job], baselines: Sequence[Baseline]) -> list[Job]:
    """Marks what the shared memory may give, in a sweep with a baseline that has one: all but students, logits caches
    (large, and quickly made again) and what is a baseline's own."""
    wanted = any(baseline.shared for baseline in baselines)
    own = {baseline.label for baseline in baselines if baseline.shared is False}

    def shared(job: Job) -> bool:
        return wanted and job.role.is_shareable and not (job.baseline and job.baseline in own)

    return [job if shared(job) == job.shared else replace(job, shared=shared(job)) for job in jobs]
