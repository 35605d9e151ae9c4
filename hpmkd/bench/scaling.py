"""What more workers bring: speed-up, efficiency, the serial fraction, and the least time that is possible. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from hpmkd.numeric import is_defined
from hpmkd.plan.job import Job


def speedup(alone: float, together: float) -> float:
    """S = T_1 / T_p."""
    return alone / together if together > 0 else math.nan


def efficiency(gained: float, workers: int) -> float:
    """E = S / p."""
    return gained / workers


def serial_fraction(gained: float, workers: int) -> float:
    """Karp and Flatt (1990): e = (1/S - 1/p) / (1 - 1/p); what part of the work did as if it could not be shared.

    NaN with one worker, of which it says nothing.
    """
    if workers < 2 or not gained > 0:
        return math.nan
    return (1 / gained - 1 / workers) / (1 - 1 / workers)


def critical_path(jobs: Iterable[Job], seconds: Mapping[str, float]) -> float:
    """Seconds of the longest way from a first job to a last one, each job after all its parents.

    Args:
        jobs: the plan, parents first.
        seconds: by key; of jobs that are not in it nothing is counted: nobody has waited for them.
    """
    ends: dict[str, float] = {}
    for job in jobs:
        start = max((ends.get(parent.key, 0.0) for parent in job.parents), default=0.0)
        ends[job.key] = start + seconds.get(job.key, 0.0)
    return max(ends.values(), default=math.nan)


def least_time(alone: float, workers: int, path: float) -> float:
    """The bound T_p >= max(T_1 / p, critical path), in seconds."""
    known = [value for value in (alone / workers, path) if is_defined(value)]
    return max(known, default=math.nan)
