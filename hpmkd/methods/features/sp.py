"""SP: Tung and Mori 2019, Similarity-Preserving Knowledge Distillation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, final

from torch import Tensor
from torch.nn import functional as F

from hpmkd.methods.base import OnKD, Taps
from hpmkd.models import ModelOutput


def similarities(maps_NCHW: Tensor) -> Tensor:
    """G~: products of the flattened maps of all pairs of images, each row with length 1; `(N, N)`, equations 1 to 3."""
    rows = maps_NCHW.flatten(1)
    return F.normalize(rows @ rows.t(), dim=1)


@final
class SP(OnKD):
    """Pairs of images that are alike for the teacher are alike for the student, in the last feature maps."""

    needs: ClassVar[Taps] = frozenset({"features"})

    def loss(
        self, student: ModelOutput, teachers: Sequence[ModelOutput], target: Tensor, progress: float | Tensor
    ) -> dict[str, Tensor]:
        """`OnKD.base` + beta |G~_t - G~_s|^2 / N^2, equation 4."""
        terms = self.base(student.logits, teachers[0].logits, target)
        ours, theirs = similarities(student.features[-1]), similarities(teachers[0].features[-1])
        return terms | {"sp": self.hparams["sp.beta"] * (theirs - ours).square().mean()}
