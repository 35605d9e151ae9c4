"""One job -> one model file. Knows nothing of Ray: it yields what happened, and the caller reports it."""

from __future__ import annotations

import contextlib
import functools
import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from hpmkd.config.sweep import DataConfig, memory_folder
from hpmkd.data.cache import load
from hpmkd.data.images import Splits
from hpmkd.errors import Diverged, EnvironmentProblem, HpmkdError
from hpmkd.models import build
from hpmkd.plan.events import EpochEnded, EpochResult, Failed, Finished, Resumed
from hpmkd.plan.halving import last_epoch
from hpmkd.plan.job import Job
from hpmkd.store.epoch_checkpoint import resume, save_epoch
from hpmkd.store.inspection import inspect_job
from hpmkd.store.output_dir import OutputDir
from hpmkd.store.result_file import commit, load_weights
from hpmkd.store.search_file import SearchResult
from hpmkd.store.shared_cache import keep, recall
from hpmkd.store.sidecar import Header
from hpmkd.timings import Timings
from hpmkd.training.evaluate import evaluate
from hpmkd.training.halving_search import HalvingSearch
from hpmkd.training.logits_cache import LogitsCacheBuilder
from hpmkd.training.provenance import provenance
from hpmkd.training.teachers import CachedTeacher
from hpmkd.training.train import Training, make_training

Work = Training | HalvingSearch | LogitsCacheBuilder


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
    with timings.part("parents"):
        known = {parent.key: _usable(parent, output) for parent in job.parents}
    weights = _identities(job, known)
    memory = memory_folder(data) if job.shared else None
    # A model that this sweep had and lost is trained again: that is what deleting a file asks for.
    if memory and not output.saved_folders(job):
        with timings.part("parents"):
            old = recall(memory, job, output, device.type, weights)
        if old:
            yield Finished(job.key, "recalled", old.accuracy, old.train_time)
            return
    with timings.part("images"):
        splits = load(job.data, data.model_dump_json())
    with timings.part("setup"):
        work = _work(job, output, known, splits, device, graph)
        resume(work, job, weights, [*candidates, *output.checkpoint_folders(job)])
    if work.epoch:
        yield Resumed(job.key, work.epoch, work.total)
    validation_pct = float("nan")
    try:
        for result in _timed(work, timings):
            validation_pct = result.validation_accuracy_pct
            yield SavableEpoch(EpochEnded(job.key, result), functools.partial(save_epoch, work, job, weights))
    except Diverged as error:
        yield Failed(job.key, str(error))
        return
    metadata = provenance(job, data, device) | {"parents": weights}
    finished = _finish(work, job, output, splits, metadata | {"val_accuracy": validation_pct}, timings)
    if memory:
        # The model is safe in the output; a full or read-only cache only costs other sweeps some time.
        with contextlib.suppress(EnvironmentProblem), timings.part("commit"):
            keep(memory, job, output, device.type)
    yield finished


def _timed(work: Work, timings: Timings) -> Iterator[EpochResult]:
    """The epochs, of which the time goes to `train`, or to `prepare` and `validate` what a training spent on those."""
    epochs = work.epochs()
    while True:
        before = _aside(work)
        with timings.part("train"):
            result = next(epochs, None)
        for name, seconds in _aside(work).items():
            timings.add(name, seconds - before[name])
            timings.add("train", before[name] - seconds)
        if result is None:
            return
        yield result


def _aside(work: Work) -> dict[str, float]:
    """Seconds that a training has spent on other things than steps."""
    if not isinstance(work, Training):
        return {}
    return {"prepare": work.prepare_seconds, "validate": work.validate_seconds}


def _identities(job: Job, known: Mapping[str, Header]) -> dict[str, str]:
    """Key -> identity of the weights, of everything that the job learns from (see `Job.sources`)."""
    found = {key: str(header.metadata["weights_sha256"]) for key, header in known.items()}
    for parent in job.parents:
        if parent.role == "logits":
            found |= known[parent.key].metadata["parents"]
    return found


def _finish(
    work: Work, job: Job, output: OutputDir, splits: Splits, metadata: Mapping[str, Any], timings: Timings
) -> Finished:
    """Commits the file; of a model, after its only look at the test set."""
    path = output.model_file(job)
    if isinstance(work, LogitsCacheBuilder):
        accuracy = work.validation_pct()
        with timings.part("commit"):
            commit(path, work.content(), accuracy, work.train_seconds, metadata)
        text = f"{work.total} view{'s' * (work.total > 1)} of each image"
        text = f"{text} ({accuracy:.2f}% on validation)"
        return Finished(job.key, "trained", accuracy, work.train_seconds, text)
    if isinstance(work, HalvingSearch):
        chosen, validation_pct = work.winner()
        commit(path, SearchResult(chosen, work.evidence), validation_pct, work.train_seconds, metadata)
        text = ", ".join(f"{name} {value:g}" for name, value in chosen.items())
        text = f"{text} ({validation_pct:.2f}% on validation)"
        return Finished(job.key, "trained", validation_pct, work.train_seconds, text)
    metadata = {**metadata, "prepare_seconds": work.prepare_seconds, "steps": work.step.description}
    with timings.part("test"):
        test_pct = evaluate(work.model, splits.test.to(work.device), work.normalise, job.fit.precision)
    with timings.part("commit"):
        commit(path, work.model.state_dict(), test_pct, work.train_seconds, metadata)
    return Finished(job.key, "trained", test_pct, work.train_seconds)


def _work(
    job: Job, output: OutputDir, known: Mapping[str, Header], splits: Splits, device: torch.device, graph: bool
) -> Work:
    """A training (with the values that a search among its parents chose), a search, or a logits cache to build."""
    teachers = [_teacher(parent, output, splits, device) for parent in job.teachers]
    if job.role == "logits":
        assert isinstance(teachers[0], nn.Module)
        return LogitsCacheBuilder(teachers[0], splits, job.data, job.fit, device)

    def training(values: Mapping[str, Any]) -> Training:
        return make_training(job, teachers, values, splits, device, graph)

    if job.role != "search":
        chosen = [known[parent.key].metadata["chosen"] for parent in job.parents if parent.role == "search"]
        return training(chosen[0] if chosen else {})
    grid = dict(job.hparams)
    pairs = itertools.product(grid["adaptive.temperatures"], grid["adaptive.alphas"])
    values = [{"kd.temperature": temperature, "kd.alpha": alpha} for temperature, alpha in pairs]
    return HalvingSearch(
        training, values, grid["adaptive.reduction_factor"], last_epoch(grid["adaptive.part"], job.fit.epochs)
    )


def _teacher(parent: Job, output: OutputDir, splits: Splits, device: torch.device) -> nn.Module | CachedTeacher:
    """A parent that a student can learn from: the network with its weights, or its logits cache."""
    path = output.model_file(parent)
    if parent.role == "logits":
        return CachedTeacher(path, len(splits.train), device)
    network = build(parent.model, seed=0)
    network.load_state_dict(load_weights(path)[1])
    return network


def _usable(parent: Job, output: OutputDir) -> Header:
    """A parent's header; it is verified here again, just before it is used."""
    finding = inspect_job(parent, output)
    if not finding.good or finding.header is None:
        raise HpmkdError(
            f"{output.model_file(parent)}: the {parent.role} cannot be used",
            expected="the planned one, finished and undamaged",
            found=f"{finding.state} {finding.reason}".strip(),
            todo="start the sweep again: it trains what is missing",
        )
    return finding.header
