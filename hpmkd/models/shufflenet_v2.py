"""ShuffleNetV2 of Ma et al. 2018 with a 1x1 stem for 32x32 pixels, as in RepDistiller."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hpmkd.config.architectures import SHUFFLE_V2_BLOCKS
from hpmkd.config.specs import ModelSpec
from hpmkd.models.depthwise import DepthwiseLayers
from hpmkd.models.shufflenet_v1 import shuffled
from hpmkd.models.staged import Block, Stage, StagedNetwork

_BRANCHES = 2


class _Branch(DepthwiseLayers):
    """1x1, 3x3 depthwise with the stride, 1x1, each with BatchNorm; a ReLU after the first, and none at the end."""

    def __init__(self, width_in: int, width: int, stride: int) -> None:
        super().__init__(width_in, width, width, stride=stride)

    def forward(self, x: Tensor) -> Tensor:
        """`(N, C_in, H, W)` -> `(N, C, H/stride, W/stride)`."""
        y = F.relu(self.bn1(self.conv1(x)), inplace=True)
        pre: Tensor = self.bn3(self.conv3(self.bn2(self.conv2(y))))
        return pre


class SplitBlock(Block):
    """One half of the channels passes, the other goes through a branch; then all are shuffled (figure 3c)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.branch = _Branch(width // 2, width // 2, 1)

    def split(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """`(N, C, H, W)` -> the same shape; and the halves side by side, the second before its ReLU."""
        kept, given = x.chunk(_BRANCHES, 1)
        pre = self.branch(given)
        return shuffled(torch.cat([kept, F.relu(pre)], 1), _BRANCHES), torch.cat([kept, pre], 1)

    def forward(self, x: Tensor) -> Tensor:
        """Without the pre-activation, which is a copy."""
        kept, given = x.chunk(_BRANCHES, 1)
        return shuffled(torch.cat([kept, F.relu(self.branch(given), inplace=True)], 1), _BRANCHES)


class DownBlock(nn.Module):
    """All channels go through both of two branches, which halve the maps; then they are shuffled (figure 3d)."""

    def __init__(self, width_in: int, width: int) -> None:
        super().__init__()
        half = width // 2
        self.conv1 = nn.Conv2d(width_in, width_in, 3, 2, 1, groups=width_in, bias=False)
        self.bn1 = nn.BatchNorm2d(width_in)
        self.conv2 = nn.Conv2d(width_in, half, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(half)
        self.branch = _Branch(width_in, half, 2)

    def forward(self, x: Tensor) -> Tensor:
        """`(N, C_in, H, W)` -> `(N, C, H/2, W/2)`."""
        beside = F.relu(self.bn2(self.conv2(self.bn1(self.conv1(x)))), inplace=True)
        return shuffled(torch.cat([beside, F.relu(self.branch(x), inplace=True)], 1), _BRANCHES)


class ShuffleNetV2(StagedNetwork):
    """A 1x1 stem, three stages that halve the maps, a 1x1 convolution, global average pooling, one linear layer."""

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__()
        width_in, *widths, last = spec.channels
        self.conv1 = nn.Conv2d(spec.in_channels, width_in, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width_in)
        stages = []
        for width, blocks in zip(widths, SHUFFLE_V2_BLOCKS, strict=True):
            stages.append(Stage(DownBlock(width_in, width), *(SplitBlock(width) for _ in range(blocks - 1))))
            width_in = width
        self.stages = nn.ModuleList(stages)
        self.conv2 = nn.Conv2d(width_in, last, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(last)
        self.fc = nn.Linear(last, spec.classes)

    def stem(self, images: Tensor) -> Tensor:
        """`(N, C, H, W)` -> maps of the same size."""
        return F.relu(self.bn1(self.conv1(images)), inplace=True)

    def finish(self, x: Tensor) -> Tensor:
        """The last stage's maps -> those of the last convolution."""
        return F.relu(self.bn2(self.conv2(x)), inplace=True)
