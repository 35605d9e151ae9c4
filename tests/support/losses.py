"""Outputs of networks made up for losses, and numpy's arithmetic on them."""

from __future__ import annotations

import numpy as np
import torch

from hpmkd.config.specs import ModelSpec
from hpmkd.models import ModelOutput, build
from hpmkd.plan.catalog import BASELINES, baselines_of
from support.builders import STUDENT, TEACHER, make_config

# Those of all methods, but for HPM-KD's own.
HPARAMS = {
    key: value
    for one in baselines_of(make_config(baselines=[name for name in BASELINES if name != "HPM-KD"]))
    for key, value in one.hparams
}
HPARAMS |= {"kd.temperature": 3.0, "kd.alpha": 0.7, "at.beta": 50.0, "at.p": 2.0, "crd.negatives": 9}
HPARAMS |= {"fitnets.beta": 20.0, "fitnets.schedule": "joint", "fitnets.hint_part": 0.3}


def softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits - logits.max(1, keepdims=True))
    return powers / powers.sum(1, keepdims=True)


def outputs(
    student_spec: ModelSpec = STUDENT, teacher_spec: ModelSpec = TEACHER
) -> tuple[ModelOutput, ModelOutput, torch.Tensor]:
    """What student and teacher say on six random images, features included; logits as large as trained ones."""
    images = torch.randn(6, 1, 16, 16, generator=torch.Generator().manual_seed(1))
    student, teacher = build(student_spec, 2)(images, features=True), build(teacher_spec, 1)(images, features=True)
    known = ModelOutput(20 * teacher.logits.detach(), tuple(feature.detach() for feature in teacher.features))
    return ModelOutput(20 * student.logits, student.features), known, torch.arange(6) % 4


def numpy(tensor: torch.Tensor) -> np.ndarray:
    return tensor.detach().double().numpy()
