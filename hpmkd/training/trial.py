"""One job -> one model file. Knows nothing of Ray: it yields what happened, and the caller reports it."""

from __future__ import annotations

import contextlib
import functools
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from hpmkd.config.sweep import DataConfig, memory_folder
from hpmkd.data.cache import as_json, load
from hpmkd.data.images import Splits
from hpmkd.data.realised import realise
from hpmkd.errors import Diverged, EnvironmentProblem
from hpmkd.plan.events import EpochEnded, EpochResult, Failed, Finished, Resumed, StepsSaved
from hpmkd.plan.job import Job
from hpmkd.store import predictions
from hpmkd.store.epoch_checkpoint import resume, save_epoch
from hpmkd.store.inspection import inspect_job
from hpmkd.store.output_dir import OutputDir
from hpmkd.store.result_file import commit
from hpmkd.store.shared_cache import keep, recall
from hpmkd.store.sidecar import Header
from hpmkd.timings import Timings
from hpmkd.training.builders import BUILDERS, Inputs
from hpmkd.training.parents import Parents, open_parents
from hpmkd.training.provenance import input_facts, provenance
from hpmkd.training.renormalised import adapter
from hpmkd.training.work import Work


@dataclass(frozen=True)
class SavableEpoch:
    """A finished epoch. `save(folder)` writes its checkpoint; call it before the next epoch or not at all."""

    event: EpochEnded
    save: Callable[[Path], None]


@dataclass(frozen=True)
class SavableSteps:
    """A pause between two steps. `save(folder)` writes its checkpoint; call it now or not at all."""

    event: StepsSaved
    save: Callable[[Path], None]


Pause = Callable[[Callable[[], SavableSteps]], object]


def run_job(
    job: Job,
    output: OutputDir,
    data: DataConfig,
    device: torch.device,
    candidates: tuple[Path, ...] = (),
    timings: Timings | None = None,
    graph: bool = True,
    keep_predictions: bool = True,
    pause: Pause | None = None,
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
        keep_predictions: keep what a network answers to each test image.
        pause: is called between steps, with what makes a checkpoint of them; it decides when one is made.

    Raises:
        HpmkdError: a parent is missing or not the planned one; the model cannot be written.
    """
    trial = _Trial(
        job,
        output,
        data,
        device,
        candidates=candidates,
        timings=timings or Timings(),
        graph=graph,
        keep_predictions=keep_predictions,
        pause=pause,
    )
    return trial.run()


@dataclass(frozen=True)
class _Trial:
    """One run of a job; see `run_job`."""

    job: Job
    output: OutputDir
    data: DataConfig
    device: torch.device
    candidates: tuple[Path, ...]
    timings: Timings
    graph: bool
    keep_predictions: bool
    pause: Pause | None

    @property
    def memory(self) -> Path | None:
        """The shared cache, for a job that may come from there."""
        return memory_folder(self.data) if self.job.shared else None

    def run(self) -> Iterator[Resumed | SavableEpoch | Finished | Failed]:
        with self.timings.part("parents"):
            finding = inspect_job(self.job, self.output)
        if finding.good and finding.header:
            yield Finished(self.job.key, "found", finding.header.accuracy, finding.header.train_time)
            return
        torch.set_num_threads(self.job.fit.threads)
        with self.timings.part("parents"):
            parents = open_parents(self.job, self.output)
            recalled = self.recall(parents)
        if recalled:
            yield recalled
        else:
            yield from self.make(parents)

    def recall(self, parents: Parents) -> Finished | None:
        """The model out of the shared cache, if it is there.

        One that this sweep had and lost is trained again: that is what deleting a file asks for.
        """
        if self.memory is None or self.output.saved_folders(self.job):
            return None
        old = recall(self.memory, self.job, self.output, self.device.type, parents=parents.weights)
        return Finished(self.job.key, "recalled", old.accuracy, old.train_time) if old else None

    def make(self, parents: Parents) -> Iterator[Resumed | SavableEpoch | Finished | Failed]:
        """Does the work, from its furthest checkpoint on, and commits the file."""
        with self.timings.part("images"):
            splits = load(self.job.data, as_json(self.data))
        with self.timings.part("setup"):
            adapt = adapter(self.job, splits, self.data)
            inputs = Inputs(self.job, parents, splits, self.device, graph=self.graph, adapt=adapt)
            work = BUILDERS[self.job.role](inputs)
            resume(work, self.job, parents.weights, [*self.candidates, *self.output.checkpoint_folders(self.job)])
        save = functools.partial(save_epoch, work, self.job, parents.weights)
        if self.pause is not None:
            work.between.act = functools.partial(self.pause, functools.partial(self.paused, work, save))
        if work.epoch or work.steps:
            yield Resumed(self.job.key, work.epoch, work.total, steps=work.steps)
        validation_pct = math.nan
        try:
            for result in _timed(work, self.timings):
                validation_pct = result.validation_accuracy_pct
                yield SavableEpoch(EpochEnded(self.job.key, result), save)
        except Diverged as error:
            yield Failed(self.job.key, str(error))
            return
        known = validation_pct if math.isfinite(validation_pct) else None
        about: dict[str, Any] = {"parents": parents.weights, "val_accuracy": known}
        answers = [parent.key for parent in self.job.parents if parent.is_shown]
        if answers:
            about["answers"] = answers
        if splits.chosen is not None:
            about["training_data"] = realise(self.job.data, splits.chosen)
        if self.job.role.is_network:
            about |= input_facts(self.job, splits, self.data)
        yield self.finish(work, splits, provenance(self.job, self.data, self.device) | about)

    def paused(self, work: Work, save: Callable[[Path], None]) -> SavableSteps:
        """The work as it stands between two steps."""
        return SavableSteps(StepsSaved(self.job.key, work.epoch, work.total, steps=work.steps), save)

    def finish(self, work: Work, splits: Splits, metadata: Mapping[str, Any]) -> Finished:
        """Commits the file; of a network, after its only look at the test set, or its last."""
        with self.timings.part("test"):
            made = work.product(splits.test)
        with self.timings.part("commit"):
            path, about = self.output.model_file(self.job), {**metadata, **made.metadata}
            header = commit(path, made.content, made.accuracy_pct, work.train_seconds, metadata=about)
            if made.predictions is not None and self.keep_predictions:
                self.save_predictions(made.predictions, header)
            if self.memory:
                # The model is safe in the output; a full or read-only cache only costs other sweeps some time.
                with contextlib.suppress(EnvironmentProblem):
                    keep(self.memory, self.job, self.output, self.device.type)
        return Finished(self.job.key, "trained", made.accuracy_pct, work.train_seconds, message=made.summary)

    def save_predictions(self, made: predictions.Predictions, header: Header) -> None:
        """Commits a network's answers. The model is safe: a full disk costs these alone, and `measure` makes them."""
        made = replace(made, data_sha256=header.metadata["data_sha256"])
        with contextlib.suppress(EnvironmentProblem):
            predictions.write(self.output.predictions_file(self.job.key), made, self.job.key, str(header.weights))


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
