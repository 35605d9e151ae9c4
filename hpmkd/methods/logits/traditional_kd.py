"""TraditionalKD: Hinton, Vinyals and Dean 2015, Distilling the Knowledge in a Neural Network; TAKD has its loss."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

from torch import Tensor

from hpmkd.methods.base import OnKD
from hpmkd.models import ModelOutput


class TraditionalKD(OnKD):
    """Softened logits of one teacher beside the labels."""

    def loss(
        self, student: ModelOutput, teachers: Sequence[ModelOutput], target: Tensor, progress: float | Tensor
    ) -> dict[str, Tensor]:
        """`kd_terms` with the first teacher; `OnKD.base` under LS."""
        return self.base(student.logits, teachers[0].logits, target)


@final
class TAKD(TraditionalKD):
    """Mirzadeh et al. 2020, Improved Knowledge Distillation via Teacher Assistant: Hinton's loss, from an assistant.

    The assistant is itself distilled from the teacher. It is a job and a file of its own, at the geometric mean of the
    sizes of teacher and student.
    """
