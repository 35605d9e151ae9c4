"""VID: Ahn et al. 2019, Variational Information Distillation for Knowledge Transfer."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hpmkd.config.specs import ModelSpec
from hpmkd.methods.base import FeatureDistiller, Taps, feature_shapes, paired_stages, same_size
from hpmkd.models import ModelOutput

_SMALLEST = 1e-5  # of a variance


class Guess(nn.Module):
    """q(t | s): a Gaussian for each channel of the teacher, whose mean three 1x1 convolutions make of the student's
    maps, and whose variance is one number per channel.

    Args:
        width_in, width: channels of student and teacher.
        variance: at the start.
    """

    def __init__(self, width_in: int, width: int, variance: float) -> None:
        super().__init__()
        self.mean = nn.Sequential(
            nn.Conv2d(width_in, width, 1, bias=False),
            nn.ReLU(),
            nn.Conv2d(width, width, 1, bias=False),
            nn.ReLU(),
            nn.Conv2d(width, width, 1, bias=False),
        )
        start = math.log(math.expm1(max(variance - _SMALLEST, _SMALLEST)))
        self.scale = nn.Parameter(torch.full((width, 1, 1), start))

    def forward(self, ours_NCHW: Tensor, theirs_NCHW: Tensor) -> Tensor:
        """-log q without its constant, the mean over all values: ((t - mu)^2 / var + log var) / 2, equation 5."""
        ours, theirs = same_size(ours_NCHW, theirs_NCHW)
        variance = F.softplus(self.scale.flatten()) + _SMALLEST
        apart: Tensor = self.mean(ours) - theirs
        # Divided when the mean over a channel is taken: the variance is one number there.
        return 0.5 * (apart.square().mean((0, 2, 3)) / variance + variance.log()).mean()


@final
class VID(FeatureDistiller):
    """The teacher's maps are to be guessed from the student's, at every stage."""

    needs: ClassVar[Taps] = frozenset({"features"})

    def __init__(self, hparams: Mapping[str, Any], student: ModelSpec, teachers: Sequence[ModelSpec]) -> None:
        super().__init__(hparams, student, teachers)
        ours, theirs = feature_shapes(student), feature_shapes(teachers[0])
        self.pairs = paired_stages(len(ours), len(theirs))
        variance = float(hparams["vid.variance"])
        self.guesses = nn.ModuleList(Guess(ours[i][0], theirs[j][0], variance) for i, j in self.pairs)

    def own(self, student: ModelOutput, teacher: ModelOutput, progress: float | Tensor) -> dict[str, Tensor]:
        """beta * sum over stages of -log q(t | s), equation 3."""
        stages = [
            guess(student.features[i], teacher.features[j])
            for guess, (i, j) in zip(self.guesses, self.pairs, strict=True)
        ]
        return {"vid": self.hparams["vid.beta"] * torch.stack(stages).sum()}
