"""NKD: Yang et al. 2023, From Knowledge Distillation to Self-Knowledge Distillation."""

from __future__ import annotations

from typing import final

from torch import Tensor
from torch.nn import functional as F

from hpmkd.methods.base import LogitDistiller, of_class, others


@final
class NKD(LogitDistiller):
    """The teacher's confidence in the true class, and its probabilities of the others, normalised among themselves."""

    def compare(
        self, student_NK: Tensor, teacher_NK: Tensor, label_N: Tensor, progress: float | Tensor
    ) -> dict[str, Tensor]:
        """-mean p_y log q_y - gamma T^2 mean sum_{i != y} N(p_i) log N(q_i), equation 8.

        p_y, q_y: probabilities of the true class at temperature 1; N: those of the others at T, as if the true class
        did not exist. Cross-entropies, not divergences: they differ by what the student cannot change.
        """
        temperature = self.setting("temperature")
        log_q, p = F.log_softmax(student_NK, dim=1), F.softmax(teacher_NK, dim=1)
        target = -(of_class(p, label_N) * of_class(log_q, label_N)).mean()
        rest_q = F.log_softmax(others(student_NK, label_N) / temperature, dim=1)
        rest_p = F.softmax(others(teacher_NK, label_N) / temperature, dim=1)
        rest = -(rest_p * rest_q).sum(1).mean()
        return {"target": target, "rest": self.setting("gamma") * temperature**2 * rest}
