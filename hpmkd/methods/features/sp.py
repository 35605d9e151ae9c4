"""SP: Tung and Mori 2019, Similarity-Preserving Knowledge Distillation."""

from __future__ import annotations

from typing import ClassVar, final

from torch import Tensor

from hpmkd.methods.base import FeatureDistiller, Taps, unit
from hpmkd.models import ModelOutput


def similarities(maps_NCHW: Tensor) -> Tensor:
    """G~: products of the flattened maps of all pairs of images, each row with length 1; `(N, N)`, equations 1 to 3."""
    rows = maps_NCHW.flatten(1)
    return unit(rows @ rows.t(), dim=1)


@final
class SP(FeatureDistiller):
    """Pairs of images that are alike for the teacher are alike for the student, in the last feature maps."""

    needs: ClassVar[Taps] = frozenset({"features"})

    def own(self, student: ModelOutput, teacher: ModelOutput, progress: float | Tensor) -> dict[str, Tensor]:
        """beta |G~_t - G~_s|^2 / N^2, equation 4."""
        ours, theirs = similarities(student.features[-1]), similarities(teacher.features[-1])
        return {"sp": self.hparams["sp.beta"] * (theirs - ours).square().mean()}
