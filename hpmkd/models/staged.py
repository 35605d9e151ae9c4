"""What networks of several stages have in common: the way through them, and the taps on it."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hpmkd.models.output import ModelOutput


class Block(nn.Module):
    """A block that may be the last one of a stage. `before`, or both others, are given by each family.

    A ReLU, and a sum, may be made in place wherever what it is made of is needed by nobody else, not even on the way
    back: convolutions, BatchNorm and pooling keep what they are given, not what they give.
    """

    def before(self, x: Tensor) -> Tensor:
        """What the last ReLU is given for maps `(N, C_in, H, W)`."""
        raise NotImplementedError

    def split(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """What the block gives for maps `(N, C_in, H, W)`, and its pre-activation; see `ModelOutput`."""
        pre = self.before(x)
        return F.relu(pre), pre

    def forward(self, x: Tensor) -> Tensor:
        """Maps `(N, C_in, H, W)` -> `(N, C, H', W')`."""
        return F.relu(self.before(x), inplace=True)


class Stage(nn.Sequential):
    """Blocks in a row, whose last one tells its pre-activation."""

    def split(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """What the last block gives, and its pre-activation."""
        *first, last = self.children()
        for block in first:
            x = block(x)
        assert isinstance(last, Block)
        return last.split(x)


class StagedNetwork(nn.Module):
    """A stem, stages, an embedding and a linear layer `fc`; the taps are the outputs of the stages.

    A family gives `stem` and `stages`, and, where they are other than usual, `finish` and `split`.
    """

    stages: nn.ModuleList
    fc: nn.Linear

    def stem(self, images: Tensor) -> Tensor:
        """Images `(N, C, H, W)` -> what the first stage is given."""
        raise NotImplementedError

    def finish(self, x: Tensor) -> Tensor:
        """The last stage's maps -> those whose mean is the embedding: the same."""
        return x

    @property
    def classifier(self) -> nn.Linear:
        """Embedding `(N, D)` -> logits `(N, K)`."""
        return self.fc

    def split(self, number: int, x: Tensor) -> tuple[Tensor, Tensor]:
        """What a stage, counted from 0, gives, and its pre-activation."""
        stage = self.stages[number]
        assert isinstance(stage, Stage | Block)
        return stage.split(x)

    def forward(
        self,
        images: Tensor,
        features: bool = False,
        embedding: bool = False,
        pre_activations: bool = False,
        last_maps: bool = False,
    ) -> ModelOutput:
        """Images float `(N, C, H, W)` -> `ModelOutput`; the taps are the stages' outputs."""
        x = self.stem(images)
        taps: list[Tensor] = []
        before: list[Tensor] = []
        for number, stage in enumerate(self.stages):
            if pre_activations:
                x, pre = self.split(number, x)
                before.append(pre)
            else:
                x = stage(x)
            if features:
                taps.append(x)
        x = self.finish(x)
        embedded = torch.flatten(F.adaptive_avg_pool2d(x, 1), 1)
        return ModelOutput(
            self.fc(embedded),
            tuple(taps),
            embedded if embedding else None,
            tuple(before),
            last_maps=x if last_maps else None,
        )


def published_start(network: nn.Module) -> None:
    """Initial weights as in the code that the published numbers of the literature come from: of convolutions normal
    with a variance of 2 / (k k C_out) (He et al. 2015, equation 14), of linear layers normal with sd 0.01."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            fan_out = module.kernel_size[0] * module.kernel_size[1] * module.out_channels
            nn.init.normal_(module.weight, std=math.sqrt(2 / fan_out))
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=0.01)
            nn.init.zeros_(module.bias)
