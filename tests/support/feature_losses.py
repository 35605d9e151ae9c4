"""What methods that compare maps or embeddings are tested on: outputs, and their own terms."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from hpmkd.methods.base import Distiller
from hpmkd.methods.build import build_distiller
from hpmkd.models import ModelOutput, build
from hpmkd.plan.catalog import baseline_of
from support.builders import STUDENT, TEACHER, make_config
from support.losses import numpy, softmax

COUNT = 6  # images


def outputs(seed: int = 1) -> tuple[ModelOutput, ModelOutput, torch.Tensor]:
    """What student and teacher say of six images, in float64, with everything that a loss may ask for."""
    images = torch.randn(COUNT, 1, 16, 16, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    taps = {"features": True, "embedding": True, "pre_activations": True}
    student, teacher = build(STUDENT, 2).double()(images, **taps), build(TEACHER, 1).double()(images, **taps)
    assert teacher.embedding is not None
    fixed = ModelOutput(
        10 * teacher.logits.detach(), tuple(one.detach() for one in teacher.features), teacher.embedding.detach(),
        tuple(one.detach() for one in teacher.pre_activations),
    )  # fmt: skip
    return student, fixed, torch.arange(COUNT) % 3


def distiller(entry: str, cache_dir: Any) -> Distiller:
    hparams = dict(baseline_of(make_config(cache_dir), entry).hparams)
    made = build_distiller(entry.partition("-")[0], hparams, STUDENT, (TEACHER,), 3).double()
    made.meet(torch.arange(20) % 3)
    for name, buffer in made.named_buffers():
        if name.startswith("bank"):
            buffer.data = buffer.double()
    made.which = torch.arange(COUNT)
    return made


def own_terms(entry: str, cache_dir: Any) -> dict[str, float]:
    student, teacher, target = outputs()
    found = distiller(f"{entry}-alone", cache_dir).loss(student, [teacher], target, 0.5)
    hard = -np.log(softmax(numpy(student.logits))[np.arange(COUNT), target.numpy()]).mean()
    assert found.pop("ce").item() == pytest.approx(hard, rel=1e-9)
    return {key: float(value.detach()) for key, value in found.items()}


def unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


def both(tap: str) -> tuple[Any, Any]:
    student, teacher, _ = outputs()
    return getattr(student, tap), getattr(teacher, tap)


def pooled(maps: torch.Tensor, like: torch.Tensor) -> np.ndarray:
    side = min(maps.shape[2], like.shape[2])
    return numpy(F.adaptive_avg_pool2d(maps, side))
