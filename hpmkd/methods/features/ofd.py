"""OFD: Heo et al. 2019, A Comprehensive Overhaul of Feature Distillation."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, final

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from hpmkd.config.specs import ModelSpec
from hpmkd.methods.base import FeatureDistiller, Taps, feature_shapes, paired_stages, same_size
from hpmkd.models import ModelOutput


class Margin(nn.Module):
    """m: per channel the mean of what a teacher's pre-activations are where they are negative, equation 3.

    It is taken over all that were shown in training so far. (The authors' code computes it from the scale and shift of
    the BatchNorm before the ReLU, as if its outputs were normally distributed; not every network has one there.)
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.total: Tensor
        self.count: Tensor
        self.register_buffer("total", torch.zeros(width, dtype=torch.float64))
        self.register_buffer("count", torch.zeros(width, dtype=torch.float64))

    def forward(self, theirs_NCHW: Tensor) -> Tensor:
        """m as `(C, 1, 1)`, after these maps; 0 for a channel that was never negative."""
        below = theirs_NCHW.clamp_max(0)
        self.total += below.sum((0, 2, 3), dtype=torch.float64)
        self.count += (below < 0).sum((0, 2, 3))
        return (self.total / self.count.clamp_min(1)).to(theirs_NCHW.dtype)[:, None, None]


class PartialDistance(torch.autograd.Function):
    """d_p: 0 where s <= t <= 0, else (t - s)^2; of each image the sum over all values `(N,)`, equation 4.

    By one difference that both ways share, instead of a dozen passes over maps. Only the student's side has a gradient.
    """

    @staticmethod
    def forward(ctx: Any, ours_NCHW: Tensor, theirs_NCHW: Tensor) -> Tensor:
        """The distance."""
        apart = ours_NCHW - theirs_NCHW
        apart.masked_fill_((apart <= 0) & (theirs_NCHW <= 0), 0.0)
        ctx.save_for_backward(apart)
        return apart.square().sum((1, 2, 3))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        """2 (s - t) where it counts."""
        (apart,), (gradient,) = ctx.saved_tensors, gradients
        return apart * gradient.mul(2)[:, None, None, None], None


def _connector(width_in: int, width: int) -> nn.Sequential:
    convolution = nn.Conv2d(width_in, width, 1, bias=False)
    nn.init.normal_(convolution.weight, std=math.sqrt(2 / width))
    return nn.Sequential(convolution, nn.BatchNorm2d(width))


@final
class OFD(FeatureDistiller):
    """The teacher's values before the ReLU, cut off below by a margin, at every stage."""

    needs: ClassVar[Taps] = frozenset({"pre_activations"})

    def __init__(self, hparams: Mapping[str, Any], student: ModelSpec, teachers: Sequence[ModelSpec]) -> None:
        super().__init__(hparams, student, teachers)
        ours, theirs = feature_shapes(student, "pre_activations"), feature_shapes(teachers[0], "pre_activations")
        self.pairs = paired_stages(len(ours), len(theirs))
        self.connectors = nn.ModuleList(_connector(ours[i][0], theirs[j][0]) for i, j in self.pairs)
        self.margins = nn.ModuleList(Margin(theirs[j][0]) for _, j in self.pairs)

    def own(self, student: ModelOutput, teacher: ModelOutput, progress: float | Tensor) -> dict[str, Tensor]:
        """beta * sum over stages l of L of 2^(l - L) sum d_p(max(T, m), r(S)) / N, section 3.

        The sum over channels and positions, the mean over images; r: a 1x1 convolution with BatchNorm.
        """
        total = student.logits.new_zeros(())
        for place, (i, j) in enumerate(self.pairs):
            before = teacher.pre_activations[j]
            cut = torch.maximum(before, self.margins[place](before))
            ours, theirs = same_size(self.connectors[place](student.pre_activations[i]), cut)
            weight = 2.0 ** (place + 1 - len(self.pairs))
            total = total + weight * PartialDistance.apply(ours, theirs).mean()
        return {"ofd": self.hparams["ofd.beta"] * total}
