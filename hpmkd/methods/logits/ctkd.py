"""CTKD: Li et al. 2023, Curriculum Temperature for Knowledge Distillation."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hpmkd.config.specs import ModelSpec
from hpmkd.methods.base import OnKD, kd_terms, ramp, standardised
from hpmkd.models import ModelOutput


def reversed_gradient(value: Tensor, strength: float | Tensor) -> Tensor:
    """`value` as it is, whose gradient comes back times -`strength` (Ganin and Lempitsky 2015, equation 14).

    v s' - (v s)' + v, all but the first term detached, without a function of its own: it can be recorded on a GPU.
    """
    turned = -strength * value
    return turned + (value - turned).detach()


@final
class CTKD(OnKD):
    """KD at a temperature that is learnt against the student: it goes where the distillation loss is larger."""

    def __init__(self, hparams: Mapping[str, Any], student: ModelSpec, teachers: Sequence[ModelSpec]) -> None:
        super().__init__(hparams, student, teachers)
        self.theta = nn.Parameter(torch.ones(()))

    def temperature(self, progress: float | Tensor) -> Tensor:
        """T = start + span sigmoid(theta); its gradient is reversed, by a part that grows to 1 along a cosine."""
        angle = math.pi * ramp(progress, self.hparams["ctkd.ramp"])
        wave = torch.cos(angle) if isinstance(angle, Tensor) else math.cos(angle)
        theta = reversed_gradient(self.theta, (1 - wave) / 2)
        start, span = float(self.hparams["ctkd.start"]), float(self.hparams["ctkd.span"])
        return start + span * torch.sigmoid(theta)

    def loss(
        self, student: ModelOutput, teachers: Sequence[ModelOutput], target: Tensor, progress: float | Tensor
    ) -> dict[str, Tensor]:
        """`kd_terms` at T; with LS of standardised logits."""
        temperature, theirs = self.temperature(progress), teachers[0].logits
        if self.standard:
            log_p = F.log_softmax(standardised(theirs) / temperature, dim=1)
            return self.standard_terms(student.logits, log_p, target=target, temperature=temperature)
        return kd_terms(student.logits, theirs, target_N=target, temperature=temperature, alpha=self.alpha)
