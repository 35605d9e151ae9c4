"""RLD: Sun et al. 2025, Knowledge Distillation with Refined Logits."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor
from torch.nn import functional as F

from hpmkd.methods.base import LogitDistiller, divergence, of_class, ramp
from hpmkd.methods.logits.dkd import target_against_rest

# In place of a masked logit, at any temperature: its probability is 0, and 0 times the log of it is 0 and not NaN.
_MASKED = -1e9


@final
class RLD(LogitDistiller):
    """What a teacher says where it is wrong is not taught; how it orders the classes below the true one is."""

    def compare(
        self, student_NK: Tensor, teacher_NK: Tensor, label_N: Tensor, progress: float | Tensor
    ) -> dict[str, Tensor]:
        """alpha T_c^2 KL(b_t || b_s) + beta T^2 KL(m_t || m_s), as in the authors' code.

        b_t: the teacher's probability of its own first class against all others; b_s: the student's of the true class.
        m: the probabilities of the classes whose logit the teacher has below that of the true class; of an image where
        there is none the term is 0. Both grow from 0 in the warm-up, step by step (the authors: epoch by epoch).
        """
        soft = self.setting("temperature")
        sharp = soft if self.standard else self.setting("confidence_temperature")
        log_q = target_against_rest(F.log_softmax(student_NK / sharp, dim=1), label_N)
        log_p = target_against_rest(F.log_softmax(teacher_NK / sharp, dim=1), teacher_NK.argmax(1))
        masked = teacher_NK >= of_class(teacher_NK, label_N)
        rest_q, rest_p = (
            F.log_softmax((logits / soft).masked_fill(masked, _MASKED), dim=1) for logits in (student_NK, teacher_NK)
        )
        # Where all classes are masked, both are uniform over all: their divergence is 0 and has no gradient.
        kept = torch.where(masked, torch.zeros_like(rest_p), rest_p.exp() * (rest_p - rest_q))
        scale = ramp(progress, self.setting("warmup"))
        return {
            "scd": self.setting("alpha") * scale * sharp**2 * divergence(log_q, log_p),
            "mcd": self.setting("beta") * scale * soft**2 * kept.sum(1).mean(),
        }
