"""AT: Zagoruyko and Komodakis 2017, Paying More Attention to Attention."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from hpmkd.methods.base import FeatureDistiller, Taps, paired_stages, same_size
from hpmkd.models import ModelOutput


def attention_map(feature_NCHW: Tensor, p: float) -> Tensor:
    """Q: mean over channels of |F|^p, flattened and L2-normalised per image; `(N, H*W)`, equation 1."""
    power = feature_NCHW.square() if p == 2 else feature_NCHW.abs().pow(p)
    return F.normalize(power.mean(1).flatten(1), dim=1)


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
