"""Frames of whole plans whose numbers are made up: rows, parents and roles are those that a sweep would have."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from hpmkd.audit.sweep_dir import Saved
from hpmkd.config.sweep import SweepConfig
from hpmkd.plan.architecture import parameter_count
from hpmkd.plan.job import Job
from hpmkd.plan.roles import Role
from hpmkd.store.output_dir import OutputDir
from support.builders import make_config, make_jobs

# Accuracy on test and on validation images, percent; None: not trained.
Score = Callable[[Job], tuple[float, float] | None]
GAP: dict[str, Any] = {"teacher__arch": "resnet8", "student__channels": [2, 3, 8]}


def sweep(score: Score, root: Path = Path("nowhere"), **overrides: Any) -> tuple[pd.DataFrame, Saved]:
    """The frame and the folder of a sweep with this config (see `builders.make_config`)."""
    config = make_config(**overrides)
    jobs = make_jobs(config)
    return planned_frame(list(jobs.values()), score), Saved(OutputDir(root), config, tuple(jobs.values()))


def planned_frame(jobs: Sequence[Job], score: Score) -> pd.DataFrame:
    """A row per job that has a score."""
    scores = {job.key: score(job) for job in jobs}
    rows = [_row(job, made) for job in jobs if (made := scores[job.key]) is not None]
    kinds = {"run": "Int64", "epochs": "Int64", "parameters": "Int64"}
    return pd.DataFrame(rows).astype(kinds)


def _row(job: Job, score: tuple[float, float]) -> dict[str, Any]:
    network = job.role.is_network
    row: dict[str, Any] = {"file": job.file_name, **job.axes, "role": str(job.role.value), "teacher": job.reference}
    row |= {"baseline": job.baseline, "run": job.run, "epochs": job.fit.epochs, "seed": str(job.seed)}
    row |= {"accuracy_pct": score[0], "validation_accuracy_pct": score[1], "train_seconds": float(job.fit.epochs)}
    row |= {"parameters": parameter_count(job.model) if network else None, "planned": True, "recalled": False}
    row |= {"ancestors": " ".join(sorted({one.key for one in job.ancestors()}))}
    row |= {"parents": " ".join(parent.key for parent in job.sources), "device": "cpu", "hardware": "Some CPU"}
    row |= {"timestamp": "2026-01-01T00:00:00+00:00", "hpmkd": "0", "torch": "2", "python": "3", "git_revision": "abc"}
    row |= {"architecture": job.model.arch if network else None, "channels": str(job.model.channels)}
    return row | {"weights_sha256": f"weights of {job.key}", "attention_entropy": float("nan")}


def scored(
    effect: Callable[[str], float],
    noise: float = 0.2,
    seed: int = 0,
    validation: Callable[[str], float] | None = None,
) -> Score:
    """80 % and the effect of the baseline, a lucky or unlucky run that all share, and noise of each model.

    Args:
        effect: by the name of a baseline, points.
        noise: standard deviation, of test and of validation images alike.
        seed: of luck and noise.
        validation: effect on validation images, where it is another.
    """
    draw = np.random.default_rng(seed)
    luck = draw.normal(0, 1, 1000)

    def score(job: Job) -> tuple[float, float]:
        if job.role is not Role.STUDENT:
            return 90.0, 90.0
        name, shared = str(job.baseline), 80 + float(luck[job.run or 0])
        test, looked = (float(value) for value in draw.normal(0, noise, 2))
        return shared + effect(name) + test, shared + (validation or effect)(name) + looked

    return score


def baselines(config: SweepConfig) -> list[str]:
    """The names of all baselines."""
    from hpmkd.plan.catalog import baselines_of

    return [one.label for one in baselines_of(config)]
