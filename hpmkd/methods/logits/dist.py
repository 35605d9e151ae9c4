"""DIST: Huang et al. 2022, Knowledge Distillation from A Stronger Teacher."""

from __future__ import annotations

from typing import final

from torch import Tensor
from torch.nn import functional as F

from hpmkd.methods.base import LogitDistiller


def correlation(a_NK: Tensor, b_NK: Tensor) -> Tensor:
    """Pearson's correlation of each row of a with the same row of b, `(N,)`.

    A row of equal values has no correlation: it counts as 0, and gives no gradient that is not finite.
    """
    a, b = (rows - rows.mean(1, keepdim=True) for rows in (a_NK, b_NK))
    return F.cosine_similarity(a, b, dim=1, eps=1e-8)


@final
class DIST(LogitDistiller):
    """The student's probabilities need not be the teacher's; they need to go with them."""

    def compare(
        self, student_NK: Tensor, teacher_NK: Tensor, label_N: Tensor, progress: float | Tensor
    ) -> dict[str, Tensor]:
        """beta T^2 mean_i (1 - r(q_i, p_i)) + gamma T^2 mean_k (1 - r(q_k, p_k)), equations 8 to 10.

        q_i, p_i: the probabilities of image i over classes; q_k, p_k: those of class k over the images of the batch.
        """
        temperature = self.setting("temperature")
        q, p = (F.softmax(logits / temperature, dim=1) for logits in (student_NK, teacher_NK))
        inter, intra = 1 - correlation(q, p).mean(), 1 - correlation(q.t(), p.t()).mean()
        scale = temperature**2
        return {
            "inter": self.setting("beta") * scale * inter,
            "intra": self.setting("gamma") * scale * intra,
        }
