"""What the plan adds to a sweep's results: the varied settings, a student's own teacher, the work of a training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hpmkd.config.specs import ModelSpec
from hpmkd.config.sweep import SweepConfig
from hpmkd.plan.catalog import baselines_of
from hpmkd.plan.compression import compression
from hpmkd.plan.job import Job
from hpmkd.plan.roles import Role
from hpmkd.plan.work import training_multiply_adds


def columns_of(config: SweepConfig, jobs: Sequence[Job]) -> dict[str, dict[str, Any]]:
    """Key of each planned job -> its columns.

    `teacher`: key of the teacher that a student's retention is measured against; `parameter_ratio` and
    `multiply_add_ratio`: how many times fewer parameters, and multiply-adds of a forward pass, it has than that one;
    `training_multiply_adds`: of the whole training, where the number of images is known; and one column for each config
    key that words in the names of baselines set, with the value that it has for a student: None where its baseline does
    not depend on it.
    """
    baselines = {one.label: one for one in baselines_of(config)}
    varied = sorted({key for one in baselines.values() for key in one.varied})
    settings = {label: {key: one.settings.get(key) for key in varied} for label, one in baselines.items()}
    none, models = dict.fromkeys(varied), {job.key: job.model for job in jobs}
    return {
        job.key: {
            "teacher": job.reference,
            **_ratios(job, models),
            "training_multiply_adds": training_multiply_adds(job),
            **(settings.get(str(job.baseline), none) if job.role is Role.STUDENT else none),
        }
        for job in jobs
    }


RATIOS = ("parameter_ratio", "multiply_add_ratio")


def _ratios(job: Job, models: Mapping[str, ModelSpec]) -> dict[str, float | None]:
    teacher = models.get(job.reference or "")
    return dict.fromkeys(RATIOS) if teacher is None else dict(zip(RATIOS, compression(teacher, job.model), strict=True))
