"""How many trials fit on a GPU: the most demanding one is tried alone for some steps, and measured."""

from __future__ import annotations

import itertools
import json
import math
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import ray

from hpmkd.architecture import forward_cost
from hpmkd.atomic import commit_json
from hpmkd.job import Job
from hpmkd.saved import Sweep, open_sweep

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from hpmkd.train import Training

_WARM, _STEPS = 12, 50  # the first steps find memory and record the graph
_FREE = 0.95  # of a GPU's memory: the rest is left to the driver and to others
_MOST = 16  # trials per GPU
TIMEOUT_SECONDS = 300.0


@dataclass(frozen=True)
class Need:
    """What one trial alone takes of a GPU.

    Args:
        gpu: its name.
        total_bytes: memory of the GPU.
        trial_bytes: of which the trial uses so much, context included.
        busy: part of the time in which the GPU works for it, in (0, 1].
    """

    gpu: str
    total_bytes: int
    trial_bytes: int
    busy: float

    def side_by_side(self) -> int:
        """How many such trials a GPU takes: as many as fit into its memory, and no more than keep it busy."""
        fit = int(_FREE * self.total_bytes // self.trial_bytes)
        return max(1, min(fit, math.ceil(1 / max(self.busy, 1 / _MOST)), _MOST))

    @property
    def words(self) -> str:
        """For people."""
        used, total = self.trial_bytes / 2**30, self.total_bytes / 2**30
        return f"{self.gpu}: one trial uses {used:.1f} of {total:.0f} GiB and keeps it {100 * self.busy:.0f} % busy"


def most_demanding(jobs: Iterable[Job]) -> Job:
    """The training with the largest step: forward and backward of the student, forward of its mentors."""

    def step(job: Job) -> float:
        mentors = sum(forward_cost(parent.model) for parent in job.teachers if parent.role != "choice")
        return (3 * forward_cost(job.model) + mentors) * job.fit.batch_size

    return max((job for job in jobs if job.role not in ("table", "choice")), key=step)


def known_need(sweep: Sweep, measure: Callable[[Sweep, Job], Need | None]) -> Need | None:
    """What was measured by an earlier start for the same training; else it is measured now, and kept."""
    trainings = [job for job in sweep.jobs if job.role not in ("table", "choice")]
    job = most_demanding(trainings)
    try:
        kept = json.loads(sweep.output.gpu_file.read_text())
        if kept["fingerprint"] == job.fingerprint:
            return Need(**kept["need"])
    except (OSError, ValueError, KeyError, TypeError):
        pass
    need = measure(sweep, job)
    if need is not None:
        commit_json(sweep.output.gpu_file, {"fingerprint": job.fingerprint, "need": asdict(need)})
    return need


def measure(sweep: Sweep, job: Job) -> Need | None:
    """Tries the job on a GPU, in a process that ends with it; None where that fails (the sweep itself will say why)."""
    task = ray.remote(num_gpus=1, num_cpus=1, max_calls=1, max_retries=0)(_try)
    running = task.remote(str(sweep.output.root), job.key)
    try:
        need: Need = ray.get(running, timeout=TIMEOUT_SECONDS)
    except ray.exceptions.RayError:
        ray.cancel(running, force=True)
        return None
    return need


def _try(output: str, key: str) -> Need:
    """In a worker: memory and time of some steps of a job, whose parents have weights at random."""
    import torch
    from torch.profiler import ProfilerActivity, profile

    from hpmkd.device import CONTEXT_BYTES, prepare_device
    from hpmkd.evaluation import evaluate

    sweep = open_sweep(Path(output))
    job = sweep.by_key[key]
    device = torch.device("cuda")
    prepare_device(device)
    torch.set_num_threads(job.fit.threads)
    training = rehearsal(job, sweep.config.data.model_dump_json(), device)
    evaluate(training.model, training.validation, training.normalise, job.fit.precision)
    draws = itertools.islice(_draws(training), _WARM + _STEPS)
    for index, view in itertools.islice(draws, _WARM):
        training.step(index, view, 1.0, 0.0)
    torch.cuda.synchronize()
    start = time.monotonic()
    with profile(activities=[ProfilerActivity.CUDA]) as kernels:
        for index, view in draws:
            training.step(index, view, 1.0, 0.0)
        torch.cuda.synchronize()
        wall = time.monotonic() - start
    busy = sum(event.self_device_time_total for event in kernels.key_averages()) / 1e6
    properties = torch.cuda.get_device_properties(device)
    used = torch.cuda.max_memory_reserved(device) + CONTEXT_BYTES
    return Need(properties.name, properties.total_memory, used, min(1.0, busy / wall))


def _draws(training: Training) -> Iterator[tuple[Tensor, Tensor]]:
    """Batches of one epoch after the other; a step may be recorded for each size of a batch, so only whole ones."""
    for epoch in itertools.count():
        for index, view in training.batches.draws(training.seed, epoch):
            if len(index) == training.batches.bounds()[0][1]:
                yield index, view


def rehearsal(job: Job, data_json: str, device: torch.device) -> Training:
    """The training of a job with parents of the planned architectures and weights at random."""
    from hpmkd.data.cache import load
    from hpmkd.methods import build_distiller
    from hpmkd.models import build
    from hpmkd.train import Training

    splits = load(job.data, data_json)
    parents = [parent for parent in job.teachers if parent.role != "choice"]
    specs = tuple(parent.model for parent in parents)
    hparams = {"kd.temperature": 4.0, "kd.alpha": 0.9, **dict(job.hparams)}
    distiller = build_distiller(job.method, hparams, job.model, specs, job.seed)
    networks = [build(spec, seed) for seed, spec in enumerate(specs)]
    model = build(job.model, job.seed)
    return Training(model, distiller, networks, splits, job.data.augment, job.fit, job.seed, device)
