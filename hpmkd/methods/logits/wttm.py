"""WTTM: Zheng and Yang 2024, Knowledge Distillation Based on Transformed Teacher Matching."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor
from torch.nn import functional as F

from hpmkd.methods.base import LogitDistiller


@final
class WTTM(LogitDistiller):
    """Temperature for the teacher alone, as a power of its probabilities; images count by how even these are."""

    @property
    def power(self) -> float:
        """gamma = 1 / T; under LS that of its temperature."""
        if self.standard:
            return 1 / float(self.hparams["ls.temperature"])
        return self.setting("gamma")

    def compare(
        self, student_NK: Tensor, teacher_NK: Tensor, label_N: Tensor, progress: float | Tensor
    ) -> dict[str, Tensor]:
        """beta mean u KL(p^g / u || q) with u = sum_k p_k^g, equation 15; without weighting u is 1 in front: TTM.

        p^g / u is the softmax of g z_t. u is 1 for a teacher that is sure, and K^(1 - g) for one that does not know.
        """
        log_power = self.power * F.log_softmax(teacher_NK, dim=1)
        log_u = torch.logsumexp(log_power, dim=1, keepdim=True)
        log_p = log_power - log_u
        each = (log_p.exp() * (log_p - F.log_softmax(student_NK, dim=1))).sum(1)
        if self.hparams["wttm.weighting"] == "sample":
            each = log_u.squeeze(1).exp() * each
        return {"ttm": self.setting("beta") * each.mean()}
