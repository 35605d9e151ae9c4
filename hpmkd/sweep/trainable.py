"""What a Ray worker runs: one trial, one model."""

from __future__ import annotations

import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

from ray import tune

from hpmkd.saved import open_sweep

_STOP_SECONDS = 60.0  # a driver that was killed while it stopped leaves the file until the next start


def train_model(config: dict[str, Any], output: str = "", device: str = "cpu") -> None:
    """Trains the job named in `config` and reports each epoch; checkpoints when they are due.

    Args:
        config: `job` is the job's key; the rest is for people who read Tune's records.
        output: the sweep's folder, given anew at every start, so that it may have moved.
        device: `cpu` or `cuda`.
    """
    import torch

    from hpmkd.epochs import SaveSchedule
    from hpmkd.store.model_file import verify
    from hpmkd.trial import Outcome, Resumed, run_job

    sweep = open_sweep(Path(output))
    job = sweep.by_key[config["job"]]
    before = tune.get_checkpoint()
    candidates = (Path(before.path),) if before is not None else ()
    schedule = SaveSchedule(sweep.config.record.checkpoint_overhead)
    resumed = 0
    for event in run_job(job, sweep.output, sweep.config.data, torch.device(device), candidates):
        if isinstance(event, Resumed):
            resumed = event.epoch
            continue
        if isinstance(event, Outcome):
            metrics = {
                "accuracy": event.accuracy,
                "train_time": event.train_time,
                "status": event.status,
                "message": event.message,
                "job": job.key,
            }
            if event.status not in ("trained", "recalled"):
                tune.report(metrics)
                continue
            verify(sweep.output.model_file(job))
            with tempfile.TemporaryDirectory(prefix=sweep.output.scratch_prefix) as folder:
                shutil.copyfile(sweep.output.model_file(job), Path(folder) / f"model{Path(job.file_name).suffix}")
                tune.report(metrics, checkpoint=tune.Checkpoint.from_directory(folder))
            continue
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
        stopping = sweep.output.stop_file.exists()
        if result.epoch < result.of and (stopping or schedule.due()):
            start = time.monotonic()
            with tempfile.TemporaryDirectory(prefix=sweep.output.scratch_prefix) as folder:
                event.save(Path(folder))
                checkpoint = tune.Checkpoint.from_directory(folder)
                tune.report({**metrics, "saved_to_stop": stopping}, checkpoint=checkpoint)
            schedule.saved(time.monotonic() - start)
            if stopping:
                _wait_for_the_end(sweep.output.stop_file)
        else:
            tune.report(metrics)


def _wait_for_the_end(stop_file: Path) -> None:
    """While the sweep is being stopped: what is saved is the newest epoch, and the cores are left to the others."""
    start = time.monotonic()
    while stop_file.exists() and time.monotonic() - start < _STOP_SECONDS:
        time.sleep(0.05)
