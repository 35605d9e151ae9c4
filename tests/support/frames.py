"""Results of sweeps that were never trained: frames, and whole outputs with a plan."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from hpmkd.analysis.report.content import Report, compose
from hpmkd.audit.status import Status
from hpmkd.audit.sweep_dir import Saved
from hpmkd.config.load import to_yaml
from hpmkd.config.specs import spec_to_json
from hpmkd.config.sweep import SweepConfig
from hpmkd.data.cache import describe
from hpmkd.files import commit_bytes, commit_json
from hpmkd.plan.catalog import baselines_of
from hpmkd.plan.events import EpochEnded, EpochResult, Worker
from hpmkd.plan.job import Job
from hpmkd.plan.planner import expand
from hpmkd.store.output_dir import OutputDir
from hpmkd.store.result_file import commit
from hpmkd.store.search_file import SearchResult
from support.builders import make_config

Scores = Mapping[str, Sequence[float]]
KEY = "student_D_AT_run1"
# For `make_output`: a teacher, an assistant, and students with and without parents.
CHOOSE: dict[str, Any] = {"baselines": ["Direct", "AT", "TAKD"], "runs": 2}
CURVES = ["place", "baseline", "run", "epoch", "train_loss", "validation_accuracy_pct", "lr", "train_seconds"]


def make_frame(scores: Scores, dataset: str = "D", teacher: float = 80.0) -> pd.DataFrame:
    """A teacher, and a student per number: run r of a baseline has the r-th (percent; None: not trained)."""
    rows: list[dict[str, Any]] = [_row(f"teacher_{dataset}", dataset, "teacher", None, None, teacher)]
    for name, values in scores.items():
        for run, value in enumerate(values, 1):
            if value is not None:
                rows.append(_row(f"student_{dataset}_{name}_run{run}", dataset, "student", name, run, value))
                if name != "Direct":
                    rows[-1] |= {"ancestors": f"teacher_{dataset}", "parents": f"teacher_{dataset}"}
    return pd.DataFrame(rows).astype({"run": "Int64", "epochs": "Int64", "parameters": "Int64"})


def _row(stem: str, dataset: str, role: str, baseline: str | None, run: int | None, accuracy: float) -> dict[str, Any]:
    row = {
        "file": f"{stem}.pt",
        "dataset": dataset,
        "condition": None,
        "pair": None,
        "role": role,
        "baseline": baseline,
        "run": run,
        "epochs": 2,
    }
    row |= {"accuracy_pct": float(accuracy), "train_seconds": 10.0, "planned": True, "recalled": False, "seed": "7"}
    row |= {"parameters": 1000 if role == "student" else 9000, "ancestors": "", "parents": "", "device": "cpu"}
    row |= {"hardware": "Some CPU, 2 cores, 16.0 GiB"}
    row |= {"timestamp": "2026-01-01T00:00:00+00:00", "hpmkd": "0", "torch": "2", "python": "3", "git_revision": "abc"}
    row |= {"sha256": f"file of {stem}", "weights_sha256": f"weights of {stem}"}
    return row | {"architecture": "lenet5", "channels": "(1, 2)", "validation_accuracy_pct": float(accuracy) + 1}


def make_output(
    root: Path, cache_dir: Path, accuracy: Callable[[Job], float | None], **overrides: Any
) -> tuple[OutputDir, SweepConfig, dict[str, Job]]:
    """An output as a sweep leaves it: config, data sets, and a file for every job that `accuracy` has a number for.

    Without tables of logits, unless `kd__logits` says so.
    """
    config = make_config(data__cache_dir=str(cache_dir), **{"kd__logits": "live", **overrides})
    output = OutputDir(root)
    specs = describe(config)
    commit_bytes(output.config_file, to_yaml(config).encode())
    commit_json(output.datasets_file, [spec_to_json(spec) for spec in specs])
    jobs = {job.key: job for job in expand(config, specs, baselines_of(config))}
    identity: dict[str, str] = {}
    for job in jobs.values():
        percent = accuracy(job)
        if percent is not None:
            identity[job.key] = put_model(output, job, percent, identity)
    return output, config, jobs


def put_model(output: OutputDir, job: Job, percent: float, identity: Mapping[str, str]) -> str:
    """Writes the file of one job, whose parents' weights are in `identity`; the identity of its own."""
    meta = {"key": job.key, "role": job.role, **job.axes, "baseline": job.baseline, "run": job.run}
    meta |= {"epochs": job.fit.epochs, "seed": job.seed, "fingerprint": job.fingerprint, "recipe": job.recipe()}
    meta |= {"architecture": asdict(job.model), "device": "cpu", "versions": {"hpmkd": "0.1.0", "torch": "2.14"}}
    meta["parents"] = {parent.key: identity[parent.key] for parent in job.sources}
    if job.role == "logits":
        commit(output.model_file(job), torch.zeros(7), percent, 5.0, meta)
        return str(_identity(output, job))
    if job.role == "search":
        commit(output.model_file(job), SearchResult({"kd.temperature": 2.0}), percent, 5.0, meta)
        return str(_identity(output, job))
    header = commit(output.model_file(job), {"w": torch.tensor([percent])}, percent, 10.0, meta)
    return str(header.metadata["weights_sha256"])


def _identity(output: OutputDir, job: Job) -> Any:
    from hpmkd.store.result_file import verify

    return verify(output.model_file(job)).metadata["weights_sha256"]


def epoch(number: int, of: int = 10, job: str = KEY, train_loss: float | None = None, lr: float = 0.001) -> EpochEnded:
    """What a trial reports after an epoch."""
    loss = 1 / number if train_loss is None else train_loss
    result = EpochResult(number, loss, {"ce": 0.25}, 50.0 + number, lr, 2.0 * number, of)
    return EpochEnded(job, result, worker=Worker("node7", 77))


def compose_report(
    frame: pd.DataFrame, root: Path, config: SweepConfig | None = None, curves: pd.DataFrame | None = None
) -> Report:
    """The report on a frame, as if it were that of a sweep in `root`."""
    status = Status(str(root), "stopped", None, models=(), command=None)
    none = pd.DataFrame(columns=CURVES)
    return compose(Saved(OutputDir(root), config, ()), frame, status, none if curves is None else curves)


def teacher_only(job: Job) -> float | None:
    """For `make_output`: a sweep that has trained its teacher alone."""
    return 95.0 if job.role == "teacher" else None
