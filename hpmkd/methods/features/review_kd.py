"""ReviewKD: Chen et al. 2021, Distilling Knowledge via Knowledge Review."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hpmkd.config.specs import ModelSpec
from hpmkd.methods.base import (
    FeatureDistiller,
    Taps,
    averaged,
    embedding_size,
    embeddings,
    feature_shapes,
    paired_stages,
    ramp,
)
from hpmkd.models import ModelOutput

Shape = tuple[int, int, int]


class Fusion(nn.Module):
    """ABF: a student's stage, fused with what came from the stage behind it by an attention over the two.

    Args:
        width_in: channels of the student's stage.
        middle: channels in which it is fused.
        target: shape `(C, H, W)` of the teacher's maps.
        fuses: whether there is a stage behind it.
    """

    def __init__(self, width_in: int, middle: int, target: Shape, fuses: bool) -> None:
        super().__init__()
        self.target = target
        enter, leave = (
            nn.Conv2d(width_in, middle, 1, bias=False),
            nn.Conv2d(middle, target[0], 3, padding=1, bias=False),
        )
        for convolution in (enter, leave):
            nn.init.kaiming_uniform_(convolution.weight, a=1)
        self.enter = nn.Sequential(enter, nn.BatchNorm2d(middle))
        self.leave = nn.Sequential(leave, nn.BatchNorm2d(target[0]))
        self.attention = nn.Sequential(nn.Conv2d(2 * middle, 2, 1), nn.Sigmoid()) if fuses else None

    def forward(self, x: Tensor, behind: Tensor | None) -> tuple[Tensor, Tensor]:
        """Maps as the teacher's, `(N, *target)`, and what the stage before is fused with."""
        x = self.enter(x)
        if self.attention is not None and behind is not None:
            behind = F.interpolate(behind, x.shape[2:], mode="nearest")
            part = self.attention(torch.cat([x, behind], dim=1))
            x = x * part[:, :1] + behind * part[:, 1:]
        if x.shape[2:] != self.target[1:]:
            x = F.interpolate(x, self.target[1:], mode="nearest")
        return self.leave(x), x


def hierarchical_distance(ours: Tensor, theirs: Tensor) -> Tensor:
    """HCL: mean squared distance of the maps, and of their means in 4x4, 2x2 and 1x1 fields (those that are smaller
    than the maps), each level weighted half of the one before; over the sum of the weights."""
    total, weights, weight = F.mse_loss(ours, theirs), 1.0, 1.0
    for side in (4, 2, 1):
        if side < ours.shape[2]:
            weight /= 2
            total = total + weight * F.mse_loss(averaged(ours, side, side), averaged(theirs, side, side))
            weights += weight
    return total / weights


@final
class ReviewKD(FeatureDistiller):
    """Each stage of the teacher is taught by the student's stages from there on, the embedding included."""

    needs: ClassVar[Taps] = frozenset({"features", "pre_activations", "embedding"})

    def __init__(self, hparams: Mapping[str, Any], student: ModelSpec, teachers: Sequence[ModelSpec]) -> None:
        super().__init__(hparams, student, teachers)
        ours, theirs = feature_shapes(student), feature_shapes(teachers[0], "pre_activations")
        self.pairs = paired_stages(len(ours), len(theirs))
        widths = [*(ours[i][0] for i, _ in self.pairs), embedding_size(student)]
        targets: list[Shape] = [
            *((theirs[j][0], theirs[j][1], theirs[j][2]) for _, j in self.pairs), (embedding_size(teachers[0]), 1, 1),
        ]  # fmt: skip
        middle, last = min(int(hparams["reviewkd.channels"]), widths[-1]), len(widths) - 1
        self.fusions = nn.ModuleList(
            Fusion(width, middle, target, place < last)
            for place, (width, target) in enumerate(zip(widths, targets, strict=True))
        )

    def own(self, student: ModelOutput, teacher: ModelOutput, progress: float | Tensor) -> dict[str, Tensor]:
        """beta w * sum over stages of `hierarchical_distance`, equation 7; w grows in the warm-up.

        The teacher's maps are those before the ReLU, the student's those after it, as in the authors' code.
        """
        ours, theirs = embeddings(student, teacher)
        stages = [*(student.features[i] for i, _ in self.pairs), ours[:, :, None, None]]
        targets = [*(teacher.pre_activations[j] for _, j in self.pairs), theirs[:, :, None, None]]
        total, behind = student.logits.new_zeros(()), None
        for fusion, x, wanted in zip(reversed(self.fusions), reversed(stages), reversed(targets), strict=True):
            made, behind = fusion(x, behind)
            total = total + hierarchical_distance(made, wanted)
        scale = self.hparams["reviewkd.beta"] * ramp(progress, self.hparams["reviewkd.warmup"])
        return {"review": scale * total}
