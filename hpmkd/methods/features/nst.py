"""NST: Huang and Wang 2017, Like What You Like: Knowledge Distill via Neuron Selectivity Transfer."""

from __future__ import annotations

from typing import ClassVar, final

import torch
from torch import Tensor

from hpmkd.methods.base import FeatureDistiller, Taps, paired_stages, same_size
from hpmkd.models import ModelOutput

_SMALLEST = 1e-24  # of a squared length: that of a channel without any activation is 0


def kernel_mean(products_NCD: Tensor, left_NC: Tensor, right_ND: Tensor) -> Tensor:
    """Mean of (x y)^2 over pairs of channels and over images, from what their products are as they are, and from one
    over the length of each channel."""
    return (products_NCD * left_NC[:, :, None] * right_ND[:, None, :]).square().mean()


def discrepancy(ours_NCHW: Tensor, theirs_NCHW: Tensor) -> Tensor:
    """MMD^2 with the kernel (x y)^2 between the channels of two maps, each with length 1 over positions; equation 4.

    Products are scaled, not maps, and lengths are in them already: so there is no pass over the maps but theirs.
    """
    a, b = (maps.flatten(2) for maps in same_size(ours_NCHW, theirs_NCHW))
    ours, theirs, between = a @ a.mT, b @ b.mT, a @ b.mT
    x, y = (one.diagonal(dim1=1, dim2=2).clamp_min(_SMALLEST).rsqrt() for one in (ours, theirs))
    return kernel_mean(theirs, y, y) + kernel_mean(ours, x, x) - 2 * kernel_mean(between, x, y)


@final
class NST(FeatureDistiller):
    """Where on an image the channels of a stage look, as a distribution over channels, at every stage."""

    needs: ClassVar[Taps] = frozenset({"features"})

    def own(self, student: ModelOutput, teacher: ModelOutput, progress: float | Tensor) -> dict[str, Tensor]:
        """beta * sum over stages of `discrepancy`."""
        ours, theirs = student.features, teacher.features
        stages = [discrepancy(ours[i], theirs[j]) for i, j in paired_stages(len(ours), len(theirs))]
        return {"nst": self.hparams["nst.beta"] * torch.stack(stages).sum()}
