"""How many trials fit on a GPU: the most demanding one is tried alone for some steps, and measured."""

from __future__ import annotations

import itertools
import json
import math
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import ray

from hpmkd.audit.sweep_dir import Sweep, open_sweep
from hpmkd.files import commit_json
from hpmkd.plan.architecture import forward_cost
from hpmkd.plan.job import Job

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from hpmkd.training.train import Training

_WARM, _STEPS = 12, 50  # the first steps find memory and record the graph
_FREE = 0.95  # of a GPU's memory: the rest is left to the driver and to others
_MOST = 16  # trials per GPU
TIMEOUT_SECONDS = 300.0


@dataclass(frozen=True)
class GpuUsage:
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
    def description(self) -> str:
        """For people."""
        used, total = self.trial_bytes / 2**30, self.total_bytes / 2**30
        return f"{self.gpu}: one trial uses {used:.1f} of {total:.0f} GiB and keeps it {100 * self.busy:.0f} % busy"


def most_demanding(jobs: Iterable[Job]) -> Job:
    """The training with the largest step: forward and backward of the student, forward of its teachers."""

    def step(job: Job) -> float:
        asked = sum(forward_cost(parent.model) for parent in job.teachers)
        return (3 * forward_cost(job.model) + asked) * job.fit.batch_size

    return max((job for job in jobs if job.role.is_network), key=step)


def known_usage(sweep: Sweep, measure: Callable[[Sweep, Job], GpuUsage | None]) -> GpuUsage | None:
    """What an earlier start measured for the same training on such GPUs; else it is measured now, and kept."""
    job = most_demanding(sweep.jobs)
    about = {"fingerprint": job.fingerprint, "gpus": gpu_kinds()}
    try:
        kept = json.loads(sweep.output.gpu_file.read_text())
        if all(kept[name] == value for name, value in about.items()):
            return GpuUsage(**kept["need"])
    except (OSError, ValueError, KeyError, TypeError):
        pass
    need = measure(sweep, job)
    if need is not None:
        commit_json(sweep.output.gpu_file, {**about, "need": asdict(need)})
    return need


def gpu_kinds() -> list[str]:
    """What Ray calls the GPUs here, such as `accelerator_type:H100`: an output may have been moved."""
    return sorted(name for name in ray.cluster_resources() if name.startswith("accelerator_type:"))


def measure(sweep: Sweep, job: Job) -> GpuUsage | None:
    """Tries the job on a GPU, in a process that ends with it; None where that fails (the sweep itself will say why)."""
    task = ray.remote(num_gpus=1, num_cpus=1, max_calls=1, max_retries=0)(_try)
    try:
        # The worker watches the time itself: `ray.cancel` of a task that is just ending aborts the whole driver
        # ("Tried to complete task that was not pending"), one time in ten.
        need: GpuUsage = ray.get(task.remote(str(sweep.output.root), job.key, TIMEOUT_SECONDS))
    except ray.exceptions.RayError:
        return None
    return need


def _try(output: str, key: str, seconds: float) -> GpuUsage:
    """In a worker, which ends after `seconds` if the work has not: what some steps of a job take."""
    late = threading.Timer(seconds, os._exit, args=(1,))
    late.daemon = True
    late.start()
    try:
        return _usage(output, key)
    finally:
        late.cancel()


def _usage(output: str, key: str) -> GpuUsage:
    """Memory and time of some steps of a job, whose parents have weights at random."""
    import torch
    from torch.profiler import ProfilerActivity, profile

    from hpmkd.training.device import CONTEXT_BYTES, prepare_device
    from hpmkd.training.evaluate import evaluate

    sweep = open_sweep(Path(output))
    job = sweep.by_key[key]
    device, resources = torch.device("cuda"), sweep.config.resources
    prepare_device(device, deterministic=resources.deterministic)
    torch.set_num_threads(job.fit.threads)
    training = rehearsal(job, sweep.config.data.model_dump_json(), device, resources.cuda_graph)
    evaluate(training.model, training.validation, training.normalise, job.fit.precision)
    draws = _draws(training)

    def steps(count: int) -> float:
        torch.cuda.synchronize()
        start = time.monotonic()
        for index, view in itertools.islice(draws, count):
            training.step(index, view, 1.0, 0.0)
        torch.cuda.synchronize()
        return time.monotonic() - start

    steps(_WARM)
    wall = steps(_STEPS)
    with profile(activities=[ProfilerActivity.CUDA]) as kernels:  # which slows the process down, not its kernels
        steps(_STEPS)
    busy = sum(event.self_device_time_total for event in kernels.key_averages()) / 1e6
    properties = torch.cuda.get_device_properties(device)
    used = torch.cuda.max_memory_reserved(device) + CONTEXT_BYTES
    return GpuUsage(properties.name, properties.total_memory, used, min(1.0, busy / wall))


def _draws(training: Training) -> Iterator[tuple[Tensor, Tensor]]:
    """Batches of one epoch after the other; a step may be recorded for each size of a batch, so only whole ones."""
    for epoch in itertools.count():
        for index, view in training.batches.draws(training.seed, epoch):
            if len(index) == training.batches.bounds()[0][1]:
                yield index, view


def rehearsal(job: Job, data_json: str, device: torch.device, graph: bool = True) -> Training:
    """The training of a job with teachers of the planned architectures and weights at random."""
    from hpmkd.data.cache import load
    from hpmkd.models import build
    from hpmkd.training.train import make_training

    networks = [build(teacher.model, seed) for seed, teacher in enumerate(job.teachers)]
    chosen = {} if "kd.temperature" in dict(job.hparams) else {"kd.temperature": 4.0, "kd.alpha": 0.9}
    return make_training(job, networks, values=chosen, splits=load(job.data, data_json), device=device, graph=graph)
