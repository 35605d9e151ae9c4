"""A job -> its training, from the seed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from hpmkd.data.images import Splits
from hpmkd.methods.build import build_distiller
from hpmkd.models import build
from hpmkd.plan.job import Job
from hpmkd.training.recipe import Recipe
from hpmkd.training.teachers import Teacher
from hpmkd.training.train import Training


def make_training(
    job: Job,
    teachers: Sequence[nn.Module | Teacher],
    values: Mapping[str, Any],
    splits: Splits,
    device: torch.device,
    graph: bool,
) -> Training:
    """A job's training from its seed, taught by `teachers`, with `values` in place of the job's own settings."""
    specs = tuple(parent.model for parent in job.teachers)
    fit = replace(job.fit, lr=values.get("fit.lr", job.fit.lr))
    distiller = build_distiller(
        job.method, {**dict(job.hparams), **values}, student=job.model, teachers=specs, seed=job.seed, own=job.own
    )
    model = build(job.model, job.seed)
    return Training(
        model,
        distiller,
        teachers=teachers,
        splits=splits,
        recipe=Recipe(fit, job.data.augment, job.seed, device, graph=graph),
    )
