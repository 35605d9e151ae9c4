"""SimKD: Chen et al. 2022, Knowledge Distillation with the Reused Teacher Classifier."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, final

from torch import Tensor
from torch.nn import functional as F

from hpmkd.methods.base import Distiller, Taps, same_size
from hpmkd.models import ModelOutput


@final
class SimKD(Distiller):
    """The student's maps, projected, are those that the teacher's classifier is given; its network ends in that
    classifier, see `models/reused.py`."""

    needs: ClassVar[Taps] = frozenset({"last_maps"})

    def loss(
        self, student: ModelOutput, teachers: Sequence[ModelOutput], target: Tensor, progress: float | Tensor
    ) -> dict[str, Tensor]:
        """beta mean((f_t - P(f_s))^2), equation 3; labels are not looked at."""
        assert student.last_maps is not None
        assert teachers[0].last_maps is not None
        ours, theirs = same_size(student.last_maps, teachers[0].last_maps)
        return {"simkd": self.hparams["simkd.beta"] * F.mse_loss(ours, theirs)}
