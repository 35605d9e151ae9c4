"""Direct: the student alone, on the labels. Also the loss of every teacher."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor
from torch.nn import functional as F

from hpmkd.methods.base import Distiller
from hpmkd.models import ModelOutput


class Direct(Distiller):
    """Cross-entropy only."""

    def loss(
        self, student: ModelOutput, teachers: Sequence[ModelOutput], target: Tensor, progress: float | Tensor
    ) -> dict[str, Tensor]:
        """CE(z_s, y), mean over images."""
        return {"ce": F.cross_entropy(student.logits, target)}
