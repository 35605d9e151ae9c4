"""How jobs are called in lines for people, and which lines are bad news."""

from __future__ import annotations

from hpmkd.job import Job


def label(job: Job, runs: int) -> str:
    """How a line names a job: `Direct run 3/5 CIFAR10`, `teacher CIFAR10`, `TAKD assistant CIFAR10`."""
    if job.role == "table":
        return f"table of {label(job.teachers[0], runs)}"
    number = f" {job.number}" if job.number else ""
    if job.role == "teacher":
        return f"teacher{number} {job.data.name}"
    if job.role == "choice":
        return f"choice {job.data.name}"
    if job.role == "assistant":
        return f"{job.baseline} assistant{number} {job.data.name}"
    return f"{job.baseline} run {job.run}/{runs} {job.data.name}"
