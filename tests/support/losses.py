"""Outputs of networks made up for losses, and numpy's arithmetic on them."""

from __future__ import annotations

import numpy as np
import torch

from hpmkd.config.specs import ModelSpec
from hpmkd.models import ModelOutput, build
from support.builders import STUDENT, TEACHER

# Of all methods but for HPM-KD's own (`test_losses.py` says so), mostly the defaults: written out, because a machine
# with a GPU may have nothing that reads a config.
HPARAMS = {
    "kd.temperature": 3.0, "kd.alpha": 0.7, "at.beta": 50.0, "at.p": 2.0, "fitnets.beta": 20.0,
    "fitnets.schedule": "joint", "fitnets.hint_part": 0.3, "dkd.temperature": 4.0, "dkd.alpha": 1.0, "dkd.beta": 8.0,
    "dkd.warmup": 0.1, "dist.temperature": 4.0, "dist.beta": 2.0, "dist.gamma": 2.0, "nkd.temperature": 3.0,
    "nkd.gamma": 3.5, "mlkd.temperatures": [2.0, 3.0, 4.0, 5.0, 6.0], "mlkd.labels": 0.1, "mlkd.weight": 0.9,
    "mlkd.masked": False, "ctkd.start": 1.0, "ctkd.span": 20.0, "ctkd.ramp": 0.05, "wttm.gamma": 0.2, "wttm.beta": 4.0,
    "wttm.weighting": "sample", "rld.temperature": 4.0, "rld.confidence_temperature": 4.0, "rld.alpha": 1.0,
    "rld.beta": 8.0, "rld.warmup": 0.1, "sp.beta": 3000.0, "rkd.distance": 25.0, "rkd.angle": 50.0, "cc.form": "kernel",
    "cc.beta": 100.0, "cc.gamma": 0.4, "cc.order": 2, "vid.beta": 1.0, "vid.variance": 5.0, "pkt.beta": 30000.0,
    "pkt.diagonal": False, "nst.beta": 25.0, "ofd.beta": 1e-3, "crd.beta": 0.8, "crd.negatives": 9,
    "crd.dimensions": 128, "crd.temperature": 0.07, "crd.momentum": 0.5, "reviewkd.beta": 1.0, "reviewkd.warmup": 0.1,
    "reviewkd.channels": 512, "dml.weight": 1.0, "simkd.beta": 1.0,
}  # fmt: skip


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
