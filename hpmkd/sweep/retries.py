"""What becomes of a job whose trial failed: tried again at the end with a larger share, then alone, then given up."""

from __future__ import annotations

import errno
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal

import ray

from hpmkd.plan.job import Job

Kind = Literal["killed", "error", "diverged"]
# How many rounds may try a job. More memory helps against a lack of it alone; a loss that is not finite stays so.
TRIES: dict[Kind, int] = {"killed": 3, "error": 2, "diverged": 1}
_NO_MEMORY = ("out of memory", "can't allocate memory", "cannot allocate memory", "alloc_failed")


def kind_of(error: BaseException) -> Kind:
    """`killed`: the process died, or memory (the machine's or the GPU's) ran out; `error`: anything else."""
    if isinstance(error, MemoryError) or any(one.__name__ == "OutOfMemoryError" for one in type(error).__mro__):
        return "killed"
    if isinstance(error, ray.exceptions.RayError) and not isinstance(error, ray.exceptions.RayTaskError):
        return "killed"
    if isinstance(error, OSError) and error.errno == errno.ENOMEM:
        return "killed"
    if isinstance(error, RuntimeError) and any(words in str(error).lower() for words in _NO_MEMORY):
        return "killed"
    return "error"


@dataclass(frozen=True)
class Round:
    """The jobs of the next round; `attempt` counts from 0."""

    keys: frozenset[str]
    attempt: int

    def concurrent(self, most: int) -> int:
        """Trials side by side: all that fit, then half as many, then one."""
        return (most, max(1, most // 2), 1)[min(self.attempt, 2)]


class Attempts:
    """How often each job has failed, and how."""

    def __init__(self) -> None:
        self.failures: dict[str, list[Kind]] = {}

    def failed(self, key: str, kind: Kind) -> None:
        """A round tried it, in vain."""
        self.failures.setdefault(key, []).append(kind)

    def given_up(self, key: str) -> bool:
        """Whether it has had all its tries: as many as its last failure allows."""
        kinds = self.failures.get(key)
        return bool(kinds) and len(kinds or ()) >= TRIES[(kinds or ["error"])[-1]]

    def next_round(self, jobs: Sequence[Job], done: Collection[str]) -> Round | None:
        """What to try now: all that never failed, at the end those that did; None where nothing is left to try.

        Args:
            jobs: the plan, parents first.
            done: keys of the jobs whose files are there.
        """
        attempt: dict[str, int] = {}
        lost: set[str] = set()
        for job in jobs:
            if job.key in done:
                continue
            if self.given_up(job.key) or any(parent.key in lost for parent in job.teachers):
                lost.add(job.key)
                continue
            waits = [attempt[parent.key] for parent in job.teachers if parent.key in attempt]
            attempt[job.key] = max([len(self.failures.get(job.key, ())), *waits])
        if not attempt:
            return None
        lowest = min(attempt.values())
        # What waits for a job that failed has its turn, with the full share again, when that one is there.
        chosen = {key for key, count in attempt.items() if count == lowest and self._own(key) == count}
        return Round(frozenset(chosen), lowest)

    def _own(self, key: str) -> int:
        return len(self.failures.get(key, ()))
