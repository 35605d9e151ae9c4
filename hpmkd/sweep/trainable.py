"""What a Ray worker runs: one trial, one model."""

from __future__ import annotations

import shutil
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ray import tune

from hpmkd.audit.sweep_dir import open_sweep
from hpmkd.errors import EnvironmentProblem
from hpmkd.plan.job import Job
from hpmkd.store.output_dir import OutputDir
from hpmkd.sweep.tensorboard import EventFiles
from hpmkd.timings import Timings

if TYPE_CHECKING:
    from hpmkd.store.epoch_checkpoint import SaveSchedule
    from hpmkd.training.trial import Outcome, Progress

_STOP_SECONDS = 60.0  # a driver that was killed while it stopped leaves the file until the next start


def train_model(config: dict[str, Any], output: str = "", device: str = "cpu", gpu_share: float = 0.0) -> None:
    """Trains the job named in `config` and reports each epoch; checkpoints when they are due.

    Args:
        config: `job` is the job's key; the rest is for people who read Tune's records.
        output: the sweep's folder, given anew at every start, so that it may have moved.
        device: `cpu` or `cuda`.
        gpu_share: of a GPU, for this trial.
    """
    timings, start = Timings(), time.monotonic()
    import torch

    from hpmkd.store.epoch_checkpoint import SaveSchedule
    from hpmkd.training.device import prepare_device
    from hpmkd.training.op_profiler import Operators
    from hpmkd.training.trial import Progress, Resumed, run_job

    sweep = open_sweep(Path(output))
    job, record = sweep.by_key[config["job"]], sweep.config.record
    before = tune.get_checkpoint()
    candidates = (Path(before.path),) if before is not None else ()
    schedule = SaveSchedule(record.checkpoint_overhead)
    resumed, where, resources = 0, torch.device(device), sweep.config.resources
    prepare_device(where, gpu_share, resources.deterministic)
    # Of students the first run stands for all: watching costs time, and they do the same.
    watch = Operators(where) if record.profile and job.run in (None, 1) else None
    rows: list[dict[str, Any]] = []
    timings.add("setup", time.monotonic() - start)
    with EventFiles(sweep.output.tensorboard / job.key if record.tensorboard else None) as curves:
        for event in run_job(job, sweep.output, sweep.config.data, where, candidates, timings, resources.cuda_graph):
            if isinstance(event, Resumed):
                resumed = event.epoch
            elif isinstance(event, Progress):
                with timings.part("profile"):
                    rows += watch.ended(event.result.epoch) if watch else []
                with timings.part("report"):
                    _report_epoch(job, event, resumed, sweep.output, schedule, curves)
            else:
                profile = {"parts": timings.seconds, "operators": rows} if record.profile else {}
                _report_end(job, event, sweep.output, curves, profile)
    if watch:
        watch.close()


def _report_end(job: Job, event: Outcome, output: OutputDir, curves: EventFiles, profile: dict[str, Any]) -> None:
    """The last report: with the model, if there is one, as Tune's checkpoint."""
    from hpmkd.store.result_file import verify

    metrics = {
        "accuracy": event.accuracy,
        "train_time": event.train_time,
        "status": event.status,
        "message": event.message,
        "job": job.key,
        **({"profile": profile} if profile else {}),
    }
    if event.status == "trained":
        curves.end(event.accuracy)
    if event.status not in ("trained", "recalled"):
        tune.report(metrics)
        return
    path = output.model_file(job)
    verify(path)
    with tempfile.TemporaryDirectory(prefix=output.scratch_prefix) as folder:
        shutil.copyfile(path, Path(folder) / f"model{path.suffix}")
        tune.report(metrics, checkpoint=tune.Checkpoint.from_directory(folder))


def _report_epoch(
    job: Job, event: Progress, resumed: int, output: OutputDir, schedule: SaveSchedule, curves: EventFiles
) -> None:
    """The report of an epoch: with a checkpoint where one is due or the sweep is being stopped."""
    result = event.result
    metrics = {
        "epoch": result.epoch,
        "epochs": result.of,
        "train_loss": result.train_loss,
        "validation_accuracy": result.validation_accuracy_pct,
        "lr": result.lr,
        "train_time": result.train_seconds,
        "status": "training",
        "job": job.key,
        "resumed_after": resumed,
        **{f"loss/{name}": value for name, value in result.terms.items()},
    }
    curves.epoch(metrics)
    stopping = output.stop_file.exists()
    if result.epoch == result.of or not (stopping or schedule.due()):
        tune.report(metrics)
        return
    start, before = time.monotonic(), output.saved_folders(job)
    metrics["saved_to_stop"] = stopping
    try:
        with tempfile.TemporaryDirectory(prefix=output.scratch_prefix, ignore_cleanup_errors=True) as folder:
            event.save(Path(folder))
            tune.report(metrics, checkpoint=tune.Checkpoint.from_directory(folder))
    except (OSError, EnvironmentProblem):
        # A full disk costs the checkpoint, not the trial: what is left of it is room for the model.
        for torn in output.saved_folders(job) - before:
            shutil.rmtree(torn, ignore_errors=True)
        tune.report(metrics)
    schedule.saved(time.monotonic() - start)
    if stopping:
        _wait_for_the_end(output.stop_file)


def _wait_for_the_end(stop_file: Path) -> None:
    """While the sweep is being stopped: what is saved is the newest epoch, and the cores are left to the others."""
    start = time.monotonic()
    while stop_file.exists() and time.monotonic() - start < _STOP_SECONDS:
        time.sleep(0.05)
