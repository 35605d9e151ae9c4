"""MobileNetV2 of Sandler et al. 2018 for 32x32 pixels, as in RepDistiller: ReLU in place of ReLU6, and a first
convolution in the blocks of the first stage, too."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from hpmkd.config.architectures import MOBILE_STAGES
from hpmkd.config.specs import ModelSpec
from hpmkd.models.depthwise import DepthwiseLayers
from hpmkd.models.staged import Block, Stage, StagedNetwork, published_start

# How many of the seven stages are before the first tap, and between one tap and the next.
_PER_TAP = (2, 1, 2, 2)


class InvertedResidual(DepthwiseLayers, Block):
    """1x1 to `expansion` times the width, 3x3 depthwise with the stride, 1x1 without ReLU; a shortcut where the shape
    stays."""

    def __init__(self, width_in: int, width: int, stride: int, expansion: int) -> None:
        super().__init__(width_in, expansion * width_in, width, stride=stride)
        self.stays = stride == 1 and width_in == width

    def split(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """`(N, C_in, H, W)` -> `(N, C, H/stride, W/stride)`, twice: no ReLU stands at its end."""
        y = F.relu(self.bn1(self.conv1(x)), inplace=True)
        y = F.relu(self.bn2(self.conv2(y)), inplace=True)
        y = self.bn3(self.conv3(y))
        if self.stays:
            y += x
        return y, y

    def forward(self, x: Tensor) -> Tensor:
        """Its one output."""
        return self.split(x)[0]


class MobileNetV2(StagedNetwork):
    """A 3x3 stem of stride 2, seven stages of inverted residuals, of which three halve the maps, a 1x1 convolution,
    global average pooling, one linear layer. The taps are after the second, third, fifth and seventh stage."""

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__()
        width_in, *widths, last = spec.channels
        self.conv1 = nn.Conv2d(spec.in_channels, width_in, 3, 2, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width_in)
        shapes = list(zip(widths, MOBILE_STAGES, strict=True))
        stages = []
        for count in _PER_TAP:
            layers = []
            for width, (expansion, blocks, stride) in shapes[:count]:
                for block in range(blocks):
                    layers.append(InvertedResidual(width_in, width, 1 if block else stride, expansion))
                    width_in = width
            stages.append(Stage(*layers))
            shapes = shapes[count:]
        self.stages = nn.ModuleList(stages)
        self.conv2 = nn.Conv2d(width_in, last, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(last)
        self.fc = nn.Linear(last, spec.classes)
        published_start(self)

    def stem(self, images: Tensor) -> Tensor:
        """`(N, C, H, W)` -> maps of half the size."""
        return F.relu(self.bn1(self.conv1(images)), inplace=True)

    def finish(self, x: Tensor) -> Tensor:
        """The last stage's maps -> those of the last convolution."""
        return F.relu(self.bn2(self.conv2(x)), inplace=True)
