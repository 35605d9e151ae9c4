"""One of the settings that a tuning tries: a training whose only product are numbers on validation images."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from hpmkd.config.sweep import DataConfig
from hpmkd.data.cache import as_json, load
from hpmkd.errors import Diverged
from hpmkd.plan.events import EpochResult, StepsSaved
from hpmkd.plan.job import Job
from hpmkd.plan.trials import WORST, milestones
from hpmkd.store.epoch_checkpoint import resume, save_epoch
from hpmkd.store.output_dir import OutputDir
from hpmkd.store.result_file import commit
from hpmkd.store.search_file import SearchResult
from hpmkd.store.shared_cache import keep, recall
from hpmkd.training.judging import judged, standard_error
from hpmkd.training.make_training import make_training
from hpmkd.training.parents import open_parents
from hpmkd.training.provenance import provenance
from hpmkd.training.renormalised import adapter
from hpmkd.training.train import Training


@dataclass(frozen=True)
class Judged:
    """What settings came to after some epochs.

    Args:
        epoch: how many.
        loss: what is compared, the smaller the better: -log p of the labels, or errors in percent.
        standard_error: of it, over the images.
        accuracy_pct: on the validation images.
        train_seconds: so far.
    """

    epoch: int
    loss: float
    standard_error: float
    accuracy_pct: float
    train_seconds: float


@dataclass(frozen=True)
class TriedEpoch:
    """An epoch of a candidate. `judged`: where candidates are compared after it. `save(folder)` writes a checkpoint."""

    result: EpochResult
    judged: Judged | None
    save: Callable[[Path], None]


def try_settings(
    job: Job,
    values: Mapping[str, Any],
    output: OutputDir,
    data: DataConfig,
    device: torch.device,
    *,
    graph: bool,
    candidates: tuple[Path, ...] = (),
    pause: Callable[[Callable[[Path], None], StepsSaved], object] | None = None,
) -> Iterator[TriedEpoch]:
    """Trains a student of a tuning's job with `values` (config keys), from the furthest checkpoint on.

    Args:
        job, output, data, device, graph: as of `trial.run_job`.
        values: what is tried.
        candidates: folders that may hold an epoch checkpoint.
        pause: is called between steps, with what saves them and where they are.
    """
    torch.set_num_threads(job.fit.threads)
    parents, splits = open_parents(job, output), load(job.data, as_json(data))
    teachers = parents.teachers(len(splits.train), device, adapter(job, splits, data))
    training = make_training(job, teachers, values, splits, device=device, graph=graph)
    # Of these settings alone, so that no other's checkpoint is taken for it.
    own = replace(job, hparams=(*job.hparams, ("tune.candidate", tuple(sorted(values.items())))))
    resume(training, own, parents.weights, list(candidates))
    ends, metric = set(milestones(job)), dict(job.hparams)["tune.metric"]

    def save(folder: Path) -> None:
        save_epoch(training, own, parents.weights, folder)

    training.between.act = None if pause is None else lambda: pause(save, _at(job, training))
    if training.epoch in ends and not training.steps:  # it was stopped between the checkpoint and the report
        yield TriedEpoch(_again(training), _judge(training, metric), save)
    try:
        for result in training.epochs():
            yield TriedEpoch(result, _judge(training, metric) if result.epoch in ends else None, save)
    except Diverged:
        judged = Judged(training.epoch + 1, WORST, 0.0, accuracy_pct=0.0, train_seconds=training.train_seconds)
        yield TriedEpoch(_again(training, training.epoch + 1), judged, save)


def _at(job: Job, training: Training) -> StepsSaved:
    return StepsSaved(job.key, training.epoch, of=training.total, steps=training.steps)


def _again(training: Training, epoch: int | None = None) -> EpochResult:
    return EpochResult(
        training.epoch if epoch is None else epoch, math.nan, terms={}, validation_accuracy_pct=math.nan, lr=math.nan,
        train_seconds=training.train_seconds, of=training.total,
    )  # fmt: skip


def _judge(training: Training, metric: str) -> Judged:
    losses, accuracy = judged(training, metric)
    return Judged(
        training.epoch,
        float(losses.mean()),
        standard_error(losses),
        accuracy_pct=accuracy,
        train_seconds=training.train_seconds,
    )


def recall_tuning(job: Job, output: OutputDir, memory: Path, device: torch.device) -> bool:
    """Takes the tuning out of the shared memory, where it was made before."""
    parents = open_parents(job, output)
    return recall(memory, job, output, device.type, parents=parents.weights) is not None


def commit_tuning(
    job: Job, found: SearchResult, output: OutputDir, data: DataConfig, device: torch.device, *,
    accuracy_pct: float, train_seconds: float, memory: Path | None,
) -> None:  # fmt: skip
    """Writes its file: what was chosen and why."""
    about = {
        **provenance(job, data, device),
        "parents": open_parents(job, output).weights,
        "val_accuracy": accuracy_pct,
    }
    commit(output.model_file(job), found, accuracy_pct, train_seconds, metadata=about)
    if memory is not None:
        keep(memory, job, output, device.type)
