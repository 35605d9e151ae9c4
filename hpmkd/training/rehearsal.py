"""Rehearses a job on a GPU for some steps, with teachers whose weights are at random, and measures what that takes."""

from __future__ import annotations

import gc
import itertools
import os
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.profiler import ProfilerActivity, profile

from hpmkd.config.specs import view_count
from hpmkd.data.augment import TrainBatches
from hpmkd.data.images import Splits
from hpmkd.models import build
from hpmkd.plan.gpu_share import GpuUsage
from hpmkd.plan.job import Job
from hpmkd.plan.roles import Role
from hpmkd.plan.searched import searched
from hpmkd.plan.trials import candidates
from hpmkd.training.device import CONTEXT_BYTES
from hpmkd.training.logits_cache import LogitsCacheBuilder
from hpmkd.training.make_training import make_training
from hpmkd.training.op_profiler import kernel_seconds, kernels
from hpmkd.training.teachers import CachedTeacher, ShownTeacher, Teacher
from hpmkd.training.train import Training

# The first steps find memory, try cuDNN's algorithms and record the graph.
_WARM, _STEPS = 12, 50
_LATE = 0.999  # of the training is done: where teachers are asked for a part of it only, that part is over

Batch = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class Rehearsal:
    """What a trial does on a GPU.

    Args:
        step: given which images in which views, and how much of the training is done.
        evaluate: what is done between epochs.
        batches: where the batches come from.
        seed: of their order.
        phases: moments of the training, in [0, 1), between which the steps differ.
    """

    step: Callable[[Tensor, Tensor, float], object]
    evaluate: Callable[[], object]
    batches: TrainBatches
    seed: int
    phases: tuple[float, ...] = (0.0,)

    def sizes(self) -> list[list[Batch]]:
        """The batches of an epoch, by their sizes: whole ones first. For each size a step is recorded anew."""
        found: dict[int, list[Batch]] = {}
        for batch in self.batches.draws(self.seed, 0):
            found.setdefault(len(batch[0]), []).append(batch)
        return list(found.values())


@dataclass(frozen=True)
class Demand:
    """What a job takes of a GPU, before it was seen how busy it keeps it.

    Args:
        usage: without `busy`.
        step_seconds: of a step.
    """

    usage: GpuUsage
    step_seconds: float


def demand(job: Job, splits: Splits, device: torch.device, graph: bool) -> Demand:
    """What a job takes of the GPU that this process has for itself, once it has warmed up.

    While it warms up it takes more: cuDNN tries algorithms with whatever memory is free, steps that are not recorded
    yet leave memory behind. A trial with a capped share does without that.

    Args:
        job: any; its parents need not be there.
        splits: its images.
        device: the GPU, prepared.
        graph: whether steps may be recorded as CUDA graphs.
    """
    work, sizes = _warmed_up(job, splits, device, graph)
    _release()
    torch.cuda.reset_peak_memory_stats(device)
    wall = _steps(work, sizes[0], _STEPS)
    for batches, phase in itertools.product(sizes, work.phases):
        _steps(work, batches, 1, phase)
    work.evaluate()
    used = torch.cuda.max_memory_reserved(device) + CONTEXT_BYTES
    properties = torch.cuda.get_device_properties(device)
    return Demand(GpuUsage(properties.name, properties.total_memory, used, busy=None), wall / _STEPS)


def usage(found: Demand, job: Job, splits: Splits, device: torch.device, graph: bool) -> GpuUsage:
    """The same with how busy the job keeps the GPU.

    Apart from `demand`, and to be asked for when nothing is timed any more: a profiler that has once watched a process
    slows it down from then on.
    """
    work, sizes = _warmed_up(job, splits, device, graph)
    seen = _seconds_of_kernels(lambda: _steps(work, sizes[0], _STEPS))
    busy = None if seen is None else min(1.0, seen / _STEPS / found.step_seconds)
    return replace(found.usage, busy=busy)


def _warmed_up(job: Job, splits: Splits, device: torch.device, graph: bool) -> tuple[Rehearsal, list[list[Batch]]]:
    """The work of a job after its first steps, and its batches by their sizes."""
    torch.set_num_threads(job.fit.threads)
    _release()
    work = rehearsal(job, splits, device, graph)
    sizes = work.sizes()
    for batches, phase in itertools.product(sizes, work.phases):
        _steps(work, batches, _WARM, phase)
    work.evaluate()
    return work, sizes


def _release() -> None:
    """Gives back what nobody holds any more; what recorded steps reserve stays."""
    gc.collect()
    torch.cuda.empty_cache()


def _steps(work: Rehearsal, batches: list[Batch], count: int, phase: float = 0.0) -> float:
    """Does so many steps; their seconds."""
    torch.cuda.synchronize()
    start = time.monotonic()
    for index, view in itertools.islice(itertools.cycle(batches), count):
        work.step(index, view, phase)
    torch.cuda.synchronize()
    return time.monotonic() - start


def _seconds_of_kernels(work: Callable[[], object]) -> float | None:
    """How long the GPU is busy with it; None where that cannot be seen: counters are not permitted here, or another
    profiler has them. Watching slows the process down, but not its kernels."""
    # Torn down after a session, CUPTI may see nothing in the next one of the same process.
    os.environ.setdefault("TEARDOWN_CUPTI", "0")
    watch = profile(activities=[ProfilerActivity.CUDA])
    try:
        watch.start()
    except RuntimeError:
        return None
    work()
    watch.stop()
    return sum(kernel_seconds(row) for row in kernels(watch.key_averages())) or None


def rehearsal(job: Job, splits: Splits, device: torch.device, graph: bool) -> Rehearsal:
    """The work of a job, whatever its role."""
    return (_of_logits_cache if job.role is Role.LOGITS else _of_training)(job, splits, device, graph)


def _of_training(job: Job, splits: Splits, device: torch.device, graph: bool) -> Rehearsal:
    training = training_of(job, splits, device, graph)
    same = training.distiller.taught(0.0) == training.distiller.taught(_LATE)
    return Rehearsal(
        lambda index, view, phase: training.step(index, view, 1.0, phase),
        lambda: training.product(splits.test),
        batches=training.batches,
        seed=training.seed,
        phases=(0.0,) if same else (0.0, _LATE),
    )


def _of_logits_cache(job: Job, splits: Splits, device: torch.device, graph: bool) -> Rehearsal:
    network = build(job.model, job.seed)
    builder = LogitsCacheBuilder(network, splits, job.data, job.fit, device=device)
    return Rehearsal(
        lambda index, view, phase: builder.teacher.outputs(builder.batches.take(index, view)),
        lambda: builder.teacher.validation_logits(builder.validation, builder.normalise),
        batches=builder.batches,
        seed=job.seed,
    )


def training_of(job: Job, splits: Splits, device: torch.device, graph: bool) -> Training:
    """The training of a network, or one of those that a search compares, with teachers of the planned architectures."""
    teachers = [_teacher(parent, splits, device) for parent in job.teachers]
    return make_training(job, teachers, _values(job), splits, device=device, graph=graph)


def _values(job: Job) -> Mapping[str, Any]:
    """Settings that a search would have chosen: of a search its first candidate."""
    known = dict(job.hparams)
    if job.is_tuning:
        return candidates(job)[0]
    if job.role is Role.SEARCH:
        return searched(job)[0]
    return {} if "kd.temperature" in known else {"kd.temperature": 4.0, "kd.alpha": 0.9}


def _teacher(parent: Job, splits: Splits, device: torch.device) -> nn.Module | Teacher:
    if parent.role.is_network:
        return build(parent.model, parent.seed)
    # A cache of the planned size lies in the GPU's memory, and is looked up: cheaper than a network, and larger.
    times = parent.fit.epochs if parent.is_shown else view_count(parent.data.augment, parent.fit.views)
    rows, kind = times * len(splits.train) + len(splits.validation), ShownTeacher if parent.is_shown else CachedTeacher
    with tempfile.NamedTemporaryFile(suffix=".npy") as file:
        np.lib.format.open_memmap(file.name, "w+", np.float32, (rows, parent.model.classes))  # takes no room on disk
        return kind(Path(file.name), len(splits.train), device)
