"""RKD: Park et al. 2019, Relational Knowledge Distillation."""

from __future__ import annotations

from typing import ClassVar, final

import torch
from torch import Tensor
from torch.nn import functional as F

from hpmkd.methods.base import FeatureDistiller, Taps, embeddings
from hpmkd.models import ModelOutput

_SMALLEST = 1e-12  # of a squared distance: the square root of 0 has no gradient


def distances(rows_ND: Tensor) -> Tensor:
    """psi_D: Euclidean distances of all pairs over their mean, `(N, N)`, 0 on the diagonal; equations 5 and 6."""
    squares = rows_ND.square().sum(1)
    apart = (squares[:, None] + squares[None] - 2 * rows_ND @ rows_ND.t()).clamp_min(_SMALLEST).sqrt()
    count = len(rows_ND)
    apart = apart * (1 - torch.eye(count, dtype=apart.dtype, device=apart.device))
    return apart / (apart.sum() / max(1, count * (count - 1))).clamp_min(_SMALLEST)


def angles(rows_ND: Tensor) -> Tensor:
    """psi_A: cosines of the angles at i between j and k, `(N, N, N)`, equation 7."""
    directions = F.normalize(rows_ND[None] - rows_ND[:, None], dim=2)
    return directions @ directions.mT


@final
class RKD(FeatureDistiller):
    """How far images are from one another, and in which angles they stand, in the embedding."""

    needs: ClassVar[Taps] = frozenset({"embedding"})

    def own(self, student: ModelOutput, teacher: ModelOutput, progress: float | Tensor) -> dict[str, Tensor]:
        """w_d mean l(psi_D) + w_a mean l(psi_A) with Huber's loss l, equations 4, 6 and 8.

        The mean over all pairs and triples, those with an image twice included, as in the authors' code.
        """
        ours, theirs = embeddings(student, teacher)
        far, turned = self.hparams["rkd.distance"], self.hparams["rkd.angle"]
        return {
            "distance": far * F.smooth_l1_loss(distances(ours), distances(theirs)),
            "angle": turned * F.smooth_l1_loss(angles(ours), angles(theirs)),
        }
