"""FitNets: Romero et al. 2015, FitNets: Hints for Thin Deep Nets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from torch import Tensor, nn
from torch.nn import functional as F

from hpmkd.config.specs import ModelSpec
from hpmkd.methods.base import OnKD, Taps, feature_shapes, same_size
from hpmkd.models import ModelOutput


def middle(stages: int) -> int:
    """Which stage gives the hint or is guided: the middle one, of four the second and of two the last.

    So it is the second of a ResNet, as in the code behind the field's tables (RepDistiller, mdistiller), where it is
    the third of the maps that begin with those of the first convolution.
    """
    return (stages - 1) // 2 or stages - 1


class FitNets(OnKD):
    """One hint in the middle: the student's guided layer, through a regressor, imitates the teacher's hint layer.

    The regressor is a 1x1 convolution with BatchNorm, which brings the student's channels to the teacher's number
    and scale. `joint` adds the hint to the loss that it stands on throughout; `two_stage` is the paper's schedule: the
    hint alone for `hint_part` of the run, then that loss alone. For the weight of the hint see
    `config.feature_methods.FitNetsConfig`.
    """

    needs: ClassVar[Taps] = frozenset({"features"})

    def __init__(self, hparams: Mapping[str, Any], student: ModelSpec, teachers: Sequence[ModelSpec]) -> None:
        super().__init__(hparams, student, teachers)
        ours, theirs = feature_shapes(student), feature_shapes(teachers[0])
        self.guided, self.hint = middle(len(ours)), middle(len(theirs))
        channels_in, channels_out = ours[self.guided][0], theirs[self.hint][0]
        self.regressor = nn.Sequential(
            nn.Conv2d(channels_in, channels_out, 1, bias=False), nn.BatchNorm2d(channels_out)
        )

    @property
    def recordable(self) -> bool:
        """Not in two stages: each does other work."""
        return bool(self.hparams["fitnets.schedule"] == "joint")

    def loss(
        self, student: ModelOutput, teachers: Sequence[ModelOutput], target: Tensor, progress: float | Tensor
    ) -> dict[str, Tensor]:
        """`OnKD.base` + beta * mean (r(F_s) - F_t)^2, equation 3 with the mean instead of half the sum."""
        two_stage = self.hparams["fitnets.schedule"] == "two_stage"
        hint_stage = progress < self.hparams["fitnets.hint_part"]
        terms: dict[str, Tensor] = {}
        if not two_stage or not hint_stage:
            terms |= self.base(student.logits, teachers[0].logits, target)
        if not two_stage or hint_stage:
            ours, theirs = same_size(student.features[self.guided], teachers[0].features[self.hint])
            terms["hint"] = self.hparams["fitnets.beta"] * F.mse_loss(self.regressor(ours), theirs)
        return terms
