"""A student that ends in its teacher's classifier: Chen et al. 2022, Knowledge Distillation with the Reused Teacher
Classifier (SimKD)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor, nn

from hpmkd.config.specs import ModelSpec, reused_of
from hpmkd.models.averaging import averaged
from hpmkd.models.output import ModelOutput


class Projector(nn.Sequential):
    """The student's last maps -> maps of the teacher's width: 1x1, 3x3 and 1x1 convolutions, each with BatchNorm and
    ReLU, the first two `reduction` times narrower than the teacher (figure 3).

    Args:
        width_in, width: of student and teacher.
        reduction: r.
        kernel: of the middle convolution: 3, or 1 where the maps have one position.
    """

    def __init__(self, width_in: int, width: int, *, reduction: int, kernel: int) -> None:
        inner, layers = max(1, width // reduction), list[nn.Module]()
        for inside, outside, size in ((width_in, inner, 1), (inner, inner, kernel), (inner, width, 1)):
            layers += [
                nn.Conv2d(inside, outside, size, padding=size // 2, bias=False),
                nn.BatchNorm2d(outside),
                nn.ReLU(),
            ]
        super().__init__(*layers)


class Reused(nn.Module):
    """The student's network without its classifier, a projector, the teacher's classifier, which is not trained.

    Args:
        spec: with `reuses`.
        make: makes a network of hpmkd's families.
    """

    def __init__(self, spec: ModelSpec, make: Callable[[ModelSpec], nn.Module]) -> None:
        super().__init__()
        teacher, reduction = reused_of(spec)
        # First of all, so that it starts as the students of other methods do.
        self.encoder = make(replace(spec, reuses=None))
        width_in, side_in = _last_maps(replace(spec, reuses=None), make)
        width, side = _last_maps(teacher, make)
        self.side = min(side_in, side)
        self.projector = Projector(width_in, width, reduction=reduction, kernel=3 if self.side > 1 else 1)
        setattr(self.encoder, _NAMES[type(self.encoder).__name__ == "LeNet5"], nn.Identity())
        self.classifier = nn.Linear(width, spec.classes).requires_grad_(False)

    def take_classifier(self, teacher: nn.Module) -> None:
        """The weights of the teacher's."""
        known = teacher.classifier
        assert isinstance(known, nn.Linear), "every network of hpmkd has one"
        self.classifier.load_state_dict(known.state_dict())

    def forward(
        self,
        images: Tensor,
        features: bool = False,
        embedding: bool = False,
        pre_activations: bool = False,
        last_maps: bool = False,
    ) -> ModelOutput:
        """Images float `(N, C, H, W)` -> `ModelOutput`: the last maps are the projector's."""
        found: ModelOutput = self.encoder(images, features=features, pre_activations=pre_activations, last_maps=True)
        ours = found.last_maps
        assert ours is not None
        maps = self.projector(ours if ours.shape[2] == self.side else averaged(ours, self.side, self.side))
        embedded = maps.mean((2, 3))
        logits = self.classifier(embedded)
        return found._replace(
            logits=logits, embedding=embedded if embedding else None, last_maps=maps if last_maps else None
        )


_NAMES = ("fc", "fc2")  # the classifier's of all families, and LeNet5's


def _last_maps(spec: ModelSpec, make: Callable[[ModelSpec], nn.Module]) -> tuple[int, int]:
    """Width and side, without weights."""
    with torch.random.fork_rng(devices=[]), torch.device("meta"), torch.no_grad():
        shown = torch.zeros(1, spec.in_channels, spec.image_size, spec.image_size)
        maps: Tensor = make(spec).eval()(shown, last_maps=True).last_maps
    return maps.shape[1], maps.shape[2]
