"""RKD: Park et al. 2019, Relational Knowledge Distillation."""

from __future__ import annotations

from typing import ClassVar, final

import torch
from torch import Tensor
from torch.nn import functional as F

from hpmkd.methods.base import FeatureDistiller, Taps, embeddings, unit
from hpmkd.models import ModelOutput

_SMALLEST = 1e-12  # of a mean distance


def ways(rows_ND: Tensor) -> Tensor:
    """From each row to each, `(N, N, D)`: by subtraction, so that between equal rows there is exactly nothing."""
    return rows_ND[None] - rows_ND[:, None]


def distances(ways_NND: Tensor) -> Tensor:
    """psi_D: Euclidean distances of all pairs over their mean, `(N, N)`; equations 5 and 6.

    Images at one place have no gradient: it would have the direction from one to the other, and there is none.
    """
    squares = ways_NND.square().sum(2)
    none = squares < torch.finfo(squares.dtype).tiny
    apart = torch.where(none, 0.0, torch.where(none, 1.0, squares).sqrt())
    count = len(apart)
    return apart / (apart.sum() / max(1, count * (count - 1))).clamp_min(_SMALLEST)


def angles(ways_NND: Tensor) -> Tensor:
    """psi_A: cosines of the angles at i between j and k, `(N, N, N)`, equation 7; 0 where j or k is at i's place."""
    directions = unit(ways_NND, dim=2)
    return directions @ directions.mT


@final
class RKD(FeatureDistiller):
    """How far images are from one another, and in which angles they stand, in the embedding."""

    needs: ClassVar[Taps] = frozenset({"embedding"})

    def own(self, student: ModelOutput, teacher: ModelOutput, progress: float | Tensor) -> dict[str, Tensor]:
        """w_d mean l(psi_D) + w_a mean l(psi_A) with Huber's loss l, equations 4, 6 and 8.

        The mean over all pairs and triples, those with an image twice included, as in the authors' code.
        """
        ours, theirs = (ways(rows) for rows in embeddings(student, teacher))
        far, turned = self.hparams["rkd.distance"], self.hparams["rkd.angle"]
        return {
            "distance": far * F.smooth_l1_loss(distances(ours), distances(theirs)),
            "angle": turned * F.smooth_l1_loss(angles(ours), angles(theirs)),
        }
