"""AT: Zagoruyko and Komodakis 2017, Paying More Attention to Attention."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from hpmkd.methods.base import FeatureDistiller, Taps, paired_stages, same_size
from hpmkd.models import ModelOutput


class MeanSquare(torch.autograd.Function):
    """Mean over channels of F^2, `(N, H, W)`: the bits of `square().mean(1)` and of its gradient, by one pass over the
    maps on the way back instead of three, in their own layout, and without the squares in memory until then."""

    @staticmethod
    def forward(ctx: Any, feature_NCHW: Tensor) -> Tensor:
        """What `square().mean(1)` gives."""
        ctx.save_for_backward(feature_NCHW)
        return feature_NCHW.square().mean(1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        """2 F / C times the gradient of the mean, in the order in which torch rounds."""
        (feature,), (gradient,) = ctx.saved_tensors, gradients
        found: Tensor = feature * gradient.div(feature.shape[1]).mul_(2)[:, None]
        return found


def attention_map(feature_NCHW: Tensor, p: float) -> Tensor:
    """Q: mean over channels of |F|^p, flattened and L2-normalised per image; `(N, H*W)`, equation 1."""
    power = MeanSquare.apply(feature_NCHW) if p == 2 else feature_NCHW.abs().pow(p).mean(1)
    return F.normalize(power.flatten(1), dim=1)


class AT(FeatureDistiller):
    """Activation-based attention transfer at every convolution stage."""

    needs: ClassVar[Taps] = frozenset({"features"})

    def own(self, student: ModelOutput, teacher: ModelOutput, progress: float | Tensor) -> dict[str, Tensor]:
        """beta * sum over stages of the mean over images and positions of (Q_s - Q_t)^2.

        The mean, not the sum, over positions, as in the authors' code.
        """
        ours, theirs, p = student.features, teacher.features, self.hparams["at.p"]
        stages: list[Tensor] = []
        for i, j in paired_stages(len(ours), len(theirs)):
            a, b = same_size(ours[i], theirs[j])
            stages.append((attention_map(a, p) - attention_map(b, p)).square().mean())
        return {"at": self.hparams["at.beta"] * torch.stack(stages).sum()}
