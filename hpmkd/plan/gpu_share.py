"""How many trials a GPU takes, from what one of them takes alone. Pure: jobs and numbers in, numbers out."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from hpmkd.plan.job import Job
from hpmkd.plan.roles import Role
from hpmkd.plan.work import image_cost

_FREE = 0.95  # of a GPU's memory: the rest is left to the driver and to others
# Trials per GPU. Even of one that alone keeps the GPU busy at least four run: while the kernels of one are small, those
# of another run beside them, and between epochs and at its ends a trial is not on the GPU at all. (On an H100 a LeNet5
# kept the GPU 95 % busy; under MPS four did 1.7 times as much as one, eight 1.8 times, sixteen no more.)
_LEAST, _MOST = 4, 16
UNSEEN = 8  # where it was not seen how busy the GPU is


@dataclass(frozen=True, order=True)
class GpuKind:
    """GPUs on which a trial takes the same.

    Args:
        name: of the model.
        total_bytes: of memory: there are models with more and less of it; 0 where it is not known.
    """

    name: str
    total_bytes: int = 0

    @property
    def description(self) -> str:
        """For people: `NVIDIA H100 80GB HBM3, 79 GiB`."""
        return f"{self.name}, {self.total_bytes / 2**30:.0f} GiB" if self.total_bytes else self.name


@dataclass(frozen=True)
class GpuUsage:
    """What one trial alone takes of a GPU.

    Args:
        gpu: its name.
        total_bytes: memory of the GPU.
        trial_bytes: of which the trial uses so much once it has warmed up, context included.
        busy: part of the time in which the GPU works for it, in (0, 1]; None where its kernels could not be seen.
    """

    gpu: str
    total_bytes: int
    trial_bytes: int
    busy: float | None

    def side_by_side(self) -> int:
        """How many such trials a GPU takes: as many as keep it busy, at least four, but no more than memory allows."""
        fit = int(_FREE * self.total_bytes // self.trial_bytes)
        wanted = UNSEEN if self.busy is None else math.ceil(1 / max(self.busy, 1 / _MOST))
        return max(1, min(fit, max(_LEAST, wanted), _MOST))

    @property
    def description(self) -> str:
        """For people: `uses 1.2 GiB and keeps it 40 % busy`."""
        busy = "how busy it keeps it was not seen" if self.busy is None else f"keeps it {100 * self.busy:.0f} % busy"
        return f"uses {self.trial_bytes / 2**30:.1f} GiB and {busy}"


def most_demanding(jobs: Iterable[Job]) -> dict[Role, Job]:
    """Of each role the job with the largest step; the role with the largest one first."""
    found: dict[Role, Job] = {}
    for job in jobs:
        if job.role not in found or step_cost(job) > step_cost(found[job.role]):
            found[job.role] = job
    return dict(sorted(found.items(), key=lambda pair: -step_cost(pair[1])))


def step_cost(job: Job) -> int:
    """Multiply-adds of a step."""
    return image_cost(job) * job.fit.batch_size
