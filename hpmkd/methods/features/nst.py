"""NST: Huang and Wang 2017, Like What You Like: Knowledge Distill via Neuron Selectivity Transfer."""

from __future__ import annotations

from typing import ClassVar, final

import torch
from torch import Tensor
from torch.nn import functional as F

from hpmkd.methods.base import FeatureDistiller, Taps, paired_stages, same_size
from hpmkd.models import ModelOutput


def kernel_mean(a_NCL: Tensor, b_NCL: Tensor) -> Tensor:
    """Mean of (x y)^2 over all pairs of channels of an image, x of a and y of b, and over images."""
    return (a_NCL @ b_NCL.mT).square().mean()


def discrepancy(ours_NCHW: Tensor, theirs_NCHW: Tensor) -> Tensor:
    """MMD^2 with the kernel (x y)^2 between the channels of two maps, each with length 1 over positions; equation 4."""
    a, b = (F.normalize(maps.flatten(2), dim=2) for maps in same_size(ours_NCHW, theirs_NCHW))
    return kernel_mean(b, b) + kernel_mean(a, a) - 2 * kernel_mean(a, b)


@final
class NST(FeatureDistiller):
    """Where on an image the channels of a stage look, as a distribution over channels, at every stage."""

    needs: ClassVar[Taps] = frozenset({"features"})

    def own(self, student: ModelOutput, teacher: ModelOutput, progress: float | Tensor) -> dict[str, Tensor]:
        """beta * sum over stages of `discrepancy`."""
        ours, theirs = student.features, teacher.features
        stages = [discrepancy(ours[i], theirs[j]) for i, j in paired_stages(len(ours), len(theirs))]
        return {"nst": self.hparams["nst.beta"] * torch.stack(stages).sum()}
