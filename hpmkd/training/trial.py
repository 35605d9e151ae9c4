"""One job -> one model file. Knows nothing of Ray: it yields what happened, and the caller reports it."""

from __future__ import annotations

import contextlib
import functools
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from hpmkd.config.sweep import DataConfig, memory_folder
from hpmkd.data.cache import load
from hpmkd.data.images import Splits
from hpmkd.errors import Diverged, EnvironmentProblem
from hpmkd.plan.events import EpochEnded, EpochResult, Failed, Finished, Resumed
from hpmkd.plan.job import Job
from hpmkd.store.epoch_checkpoint import resume, save_epoch
from hpmkd.store.inspection import inspect_job
from hpmkd.store.output_dir import OutputDir
from hpmkd.store.result_file import commit
from hpmkd.store.shared_cache import keep, recall
from hpmkd.timings import Timings
from hpmkd.training.builders import BUILDERS, Inputs
from hpmkd.training.parents import Parents, open_parents
from hpmkd.training.provenance import provenance
from hpmkd.training.work import Work


@dataclass(frozen=True)
class SavableEpoch:
    """A finished epoch. `save(folder)` writes its checkpoint; call it before the next epoch or not at all."""

    event: EpochEnded
    save: Callable[[Path], None]


def run_job(
    job: Job,
    output: OutputDir,
    data: DataConfig,
    device: torch.device,
    candidates: tuple[Path, ...] = (),
    timings: Timings | None = None,
    graph: bool = True,
) -> Iterator[Resumed | SavableEpoch | Finished | Failed]:
    """Trains a job's model unless its file is there, and commits it under its canonical name.

    Args:
        job: what to train.
        output: the sweep's folder; parents are loaded from there, epoch checkpoints found there.
        data: where images lie.
        device: where to train.
        candidates: further folders that may hold an epoch checkpoint.
        timings: where the seconds are noted, by part.
        graph: on a GPU, record training steps.

    Raises:
        HpmkdError: a parent is missing or not the planned one; the model cannot be written.
    """
    timings = timings or Timings()
    with timings.part("parents"):
        finding = inspect_job(job, output)
    if finding.good and finding.header:
        yield Finished(job.key, "found", finding.header.accuracy, finding.header.train_time)
        return
    torch.set_num_threads(job.fit.threads)
    memory = memory_folder(data) if job.shared else None
    with timings.part("parents"):
        parents = open_parents(job, output)
        recalled = _recall(job, output, memory, parents, device)
    if recalled:
        yield recalled
        return
    with timings.part("images"):
        splits = load(job.data, data.model_dump_json())
    with timings.part("setup"):
        work = BUILDERS[job.role](Inputs(job, parents, splits, device, graph=graph))
        resume(work, job, parents.weights, [*candidates, *output.checkpoint_folders(job)])
    validation_pct = math.nan
    for event in _work_off(work, job, parents.weights, timings):
        if isinstance(event, Failed):
            yield event
            return
        if isinstance(event, SavableEpoch):
            validation_pct = event.event.result.validation_accuracy_pct
        yield event
    metadata = provenance(job, data, device) | {"parents": parents.weights, "val_accuracy": validation_pct}
    finished = _finish(work, job, output, splits, metadata=metadata, timings=timings)
    if memory:
        # The model is safe in the output; a full or read-only cache only costs other sweeps some time.
        with contextlib.suppress(EnvironmentProblem), timings.part("commit"):
            keep(memory, job, output, device.type)
    yield finished


def _recall(
    job: Job, output: OutputDir, memory: Path | None, parents: Parents, device: torch.device
) -> Finished | None:
    """The model out of the shared cache, if it is there.

    One that this sweep had and lost is trained again: that is what deleting a file asks for.
    """
    if memory is None or output.saved_folders(job):
        return None
    old = recall(memory, job, output, device.type, parents=parents.weights)
    return Finished(job.key, "recalled", old.accuracy, old.train_time) if old else None


def _work_off(
    work: Work, job: Job, weights: Mapping[str, str], timings: Timings
) -> Iterator[Resumed | SavableEpoch | Failed]:
    """What happens until the work is done, or its loss is no longer finite."""
    if work.epoch:
        yield Resumed(job.key, work.epoch, work.total)
    try:
        for result in _timed(work, timings):
            yield SavableEpoch(EpochEnded(job.key, result), functools.partial(save_epoch, work, job, weights))
    except Diverged as error:
        yield Failed(job.key, str(error))


def _timed(work: Work, timings: Timings) -> Iterator[EpochResult]:
    """The epochs, of which the time goes to `train`, or to what else they were spent on (see `Work.other_seconds`)."""
    epochs = work.epochs()
    while True:
        before = work.other_seconds
        with timings.part("train"):
            result = next(epochs, None)
        for name, seconds in work.other_seconds.items():
            timings.add(name, seconds - before[name])
            timings.add("train", before[name] - seconds)
        if result is None:
            return
        yield result


def _finish(
    work: Work, job: Job, output: OutputDir, splits: Splits, metadata: Mapping[str, Any], timings: Timings
) -> Finished:
    """Commits the file; of a network, after its only look at the test set."""
    with timings.part("test"):
        made = work.product(splits.test)
    with timings.part("commit"):
        path, about = output.model_file(job), {**metadata, **made.metadata}
        commit(path, made.content, made.accuracy_pct, work.train_seconds, metadata=about)
    return Finished(job.key, "trained", made.accuracy_pct, work.train_seconds, message=made.summary)
