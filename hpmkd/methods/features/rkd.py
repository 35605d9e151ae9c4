"""RKD: Park et al. 2019, Relational Knowledge Distillation."""

from __future__ import annotations

from typing import Any, ClassVar, final

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from hpmkd.methods.base import FeatureDistiller, Taps, embeddings
from hpmkd.models import ModelOutput

_SMALLEST = 1e-12  # of a mean distance
# Of all triples so many at a time: on a CPU those that fit into a core's cache, elsewhere few calls.
_VALUES, _CPU_VALUES = 2**24, 2**17


def distances(rows_ND: Tensor) -> Tensor:
    """Euclidean distances of all pairs, `(N, N)`: by subtraction, so that between equal rows there is exactly nothing,
    and, at them, no gradient: it would have the direction from one to the other, and there is none."""
    # In float64: cosines are differences of their squares, of which little is left between images that are much alike.
    return torch.cdist(rows_ND.double(), rows_ND.double(), compute_mode="donot_use_mm_for_euclid_dist")


def over_their_mean(apart_NN: Tensor) -> Tensor:
    """psi_D: distances over the mean of those between two images; equations 5 and 6."""
    count = len(apart_NN)
    return apart_NN / (apart_NN.sum() / max(1, count * (count - 1))).clamp_min(_SMALLEST)


class Corners:
    """psi_A of some images i with all pairs j and k: cosines of the angles at i, equation 7, by the law of cosines.

    (d_ij^2 + d_ik^2 - d_jk^2) / (2 d_ij d_ik) needs no vectors: of D numbers for each pair, and products of them for
    each triple, as the equation has it, there is one left. 0 where j or k is at i's place.

    Args:
        squares: squared distances of all pairs, `(N, N)`.
    """

    def __init__(self, squares: Tensor) -> None:
        self.squares, none = squares, squares < torch.finfo(squares.dtype).tiny
        self.over = torch.where(none, 0.0, torch.where(none, 1.0, squares).rsqrt())

    def over_both(self, part: slice) -> Tensor:
        """1 / (d_ij d_ik), `(n, N, N)`."""
        return self.over[part, :, None] * self.over[part, None, :]

    def cosines(self, part: slice, over_both: Tensor) -> Tensor:
        """`(n, N, N)` of the n images of that part."""
        sides = self.squares[part]
        return (sides[:, :, None] + sides[:, None, :]).sub_(self.squares).mul_(over_both).mul_(0.5)


class AngleLoss(torch.autograd.Function):
    """Mean over all triples of Huber's loss of the difference of two networks' cosines, equation 8.

    The gradient is made with the loss, a part of the triples at a time, so that nothing of their size lies in memory.
    """

    @staticmethod
    def forward(ctx: Any, ours_NN: Tensor, theirs_NN: Tensor) -> Tensor:
        """Of squared distances `(N, N)` of the student and of the teacher."""
        ours, theirs, count = Corners(ours_NN), Corners(theirs_NN), len(ours_NN)
        total, gradient = ours_NN.new_zeros(()), torch.zeros_like(ours_NN)
        step = max(1, (_CPU_VALUES if ours_NN.device.type == "cpu" else _VALUES) // count**2)
        for start in range(0, count, step):
            part = slice(start, start + step)
            over_both = ours.over_both(part)
            cosines = ours.cosines(part, over_both)
            apart = cosines - theirs.cosines(part, theirs.over_both(part))
            slope = apart.clamp(-1, 1)  # Huber's
            total += (slope * apart.sub_(slope, alpha=0.5)).sum()
            turned = over_both.mul_(slope)
            gradient.sub_(turned.sum(0), alpha=0.5)  # by d_jk
            gradient[part] += turned.sum(2) - ours.over[part].square() * slope.mul_(cosines).sum(2)  # by d_ij and d_ik
        ctx.save_for_backward(gradient.div_(count**3))
        return total / count**3

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        """That of the student's squared distances."""
        (gradient,), (scale,) = ctx.saved_tensors, gradients
        return gradient * scale, None


@final
class RKD(FeatureDistiller):
    """How far images are from one another, and in which angles they stand, in the embedding."""

    needs: ClassVar[Taps] = frozenset({"embedding"})

    def own(self, student: ModelOutput, teacher: ModelOutput, progress: float | Tensor) -> dict[str, Tensor]:
        """w_d mean l(psi_D) + w_a mean l(psi_A) with Huber's loss l, equations 4, 6 and 8.

        The mean over all pairs and triples, those with an image twice included, as in the authors' code.
        """
        rows, of_teacher = embeddings(student, teacher)
        ours, theirs = distances(rows), distances(of_teacher)
        far, turned = self.hparams["rkd.distance"], self.hparams["rkd.angle"]
        near = F.smooth_l1_loss(over_their_mean(ours), over_their_mean(theirs))
        corners = AngleLoss.apply(ours.square(), theirs.square())
        return {"distance": far * near.to(rows.dtype), "angle": turned * corners.to(rows.dtype)}
