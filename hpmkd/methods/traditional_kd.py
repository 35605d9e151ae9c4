"""TraditionalKD: Hinton, Vinyals and Dean 2015, Distilling the Knowledge in a Neural Network."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from hpmkd.methods.base import Distiller, kd_terms
from hpmkd.models import Output


class TraditionalKD(Distiller):
    """Softened logits of one teacher beside the labels."""

    def loss(
        self, student: Output, teachers: Sequence[Output], target: Tensor, progress: float | Tensor
    ) -> dict[str, Tensor]:
        """`kd_terms` with the first teacher."""
        temperature, alpha = self.hparams["kd.temperature"], self.hparams["kd.alpha"]
        return kd_terms(student.logits, teachers[0].logits, target, temperature, alpha)
