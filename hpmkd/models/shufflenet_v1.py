"""ShuffleNet of Zhang et al. 2018 (three groups) with a 1x1 stem for 32x32 pixels, as in RepDistiller."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hpmkd.config.architectures import SHUFFLE_V1_BLOCKS, SHUFFLE_V1_GROUPS
from hpmkd.config.specs import ModelSpec
from hpmkd.models.depthwise import DepthwiseLayers
from hpmkd.models.exporting import is_exporting
from hpmkd.models.staged import Block, Stage, StagedNetwork


class ShuffleBlock(DepthwiseLayers, Block):
    """1x1 in groups to a quarter of the width, shuffled channels, 3x3 depthwise, 1x1 in groups.

    With stride 2 the input, averaged, is put beside the result, else added to it.
    """

    def __init__(self, width_in: int, width: int, stride: int, groups: int) -> None:
        # What is put beside it brings the rest of the width.
        own = width - width_in if stride == 2 else width
        super().__init__(width_in, own // 4, own, stride=stride, groups=(groups, SHUFFLE_V1_GROUPS))
        self.groups, self.beside = groups, stride == 2

    def before(self, x: Tensor) -> Tensor:
        """`(N, C_in, H, W)` -> `(N, C, H/stride, W/stride)`."""
        y = shuffled(F.relu(self.bn1(self.conv1(x)), inplace=True), self.groups)
        y = F.relu(self.bn2(self.conv2(y)), inplace=True)
        pre: Tensor = self.bn3(self.conv3(y))
        if self.beside:
            return torch.cat([pre, F.avg_pool2d(x, 3, stride=2, padding=1)], 1)
        pre += x
        return pre


def shuffled(maps_NCHW: Tensor, groups: int) -> Tensor:
    """Channels of all groups in turn, one of each (Zhang et al. 2018, section 3.1)."""
    if groups == 1:
        return maps_NCHW
    if is_exporting() or maps_NCHW.is_meta:  # torch 2.3 cannot shuffle the latter
        channels, height, width = maps_NCHW.shape[1:]
        grouped = maps_NCHW.reshape(-1, groups, channels // groups, height, width)
        return grouped.transpose(1, 2).reshape(-1, channels, height, width)
    return F.channel_shuffle(maps_NCHW, groups)


class ShuffleNetV1(StagedNetwork):
    """A 1x1 stem, three stages that halve the maps, global average pooling, one linear layer.

    The first convolution of all has no groups, since its input has few channels.
    """

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__()
        width_in, *widths = spec.channels
        self.conv1 = nn.Conv2d(spec.in_channels, width_in, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width_in)
        stages = []
        for stage, (width, blocks) in enumerate(zip(widths, SHUFFLE_V1_BLOCKS, strict=True)):
            layers = []
            for block in range(blocks):
                groups = SHUFFLE_V1_GROUPS if stage or block else 1
                layers.append(ShuffleBlock(width_in, width, 1 if block else 2, groups))
                width_in = width
            stages.append(Stage(*layers))
        self.stages = nn.ModuleList(stages)
        self.fc = nn.Linear(width_in, spec.classes)

    def stem(self, images: Tensor) -> Tensor:
        """`(N, C, H, W)` -> maps of the same size."""
        return F.relu(self.bn1(self.conv1(images)), inplace=True)
