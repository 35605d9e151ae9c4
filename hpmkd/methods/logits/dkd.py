"""DKD: Zhao et al. 2022, Decoupled Knowledge Distillation."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor
from torch.nn import functional as F

from hpmkd.methods.base import LogitDistiller, divergence, of_class, others, ramp


def target_against_rest(log_p_NK: Tensor, class_N: Tensor) -> Tensor:
    """log [p_c, 1 - p_c] of a class c per image, `(N, 2)`, from log probabilities."""
    rest = torch.logsumexp(others(log_p_NK, class_N), dim=1, keepdim=True)
    return torch.cat([of_class(log_p_NK, class_N), rest], dim=1)


@final
class DKD(LogitDistiller):
    """The KL divergence of KD in two parts, weighted on their own."""

    def compare(
        self, student_NK: Tensor, teacher_NK: Tensor, label_N: Tensor, progress: float | Tensor
    ) -> dict[str, Tensor]:
        """alpha T^2 KL(b_t || b_s) + beta T^2 KL(p^_t || p^_s), equation 7.

        b: the probabilities of the true class and of all others together; p^: those of the others among themselves,
        as if the true class did not exist. Both grow from 0 in the warm-up, step by step (the authors: epoch by epoch).
        """
        temperature = self.setting("temperature")
        log_q, log_p = (F.log_softmax(logits / temperature, dim=1) for logits in (student_NK, teacher_NK))
        scale = temperature**2 * ramp(progress, self.setting("warmup"))
        target = divergence(target_against_rest(log_q, label_N), target_against_rest(log_p, label_N))
        rest_q, rest_p = (F.log_softmax(others(log, label_N), dim=1) for log in (log_q, log_p))
        return {
            "tckd": self.setting("alpha") * scale * target,
            "nckd": self.setting("beta") * scale * divergence(rest_q, rest_p),
        }
