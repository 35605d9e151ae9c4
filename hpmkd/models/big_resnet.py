"""ResNet10, 18, 34 and 50 of He et al. 2016 (table 1) with a stem for 32x32 pixels: 3x3, no pooling."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from hpmkd.config.architectures import BIG_BLOCKS, BOTTLENECK, EXPANSION, depth_of
from hpmkd.config.specs import ModelSpec
from hpmkd.models.resnet import BasicBlock, projected
from hpmkd.models.staged import Block, Stage, StagedNetwork, published_start


class Bottleneck(Block):
    """1x1 to `width`, 3x3 with the stride, 1x1 to four times `width`, each with BatchNorm, and a shortcut."""

    def __init__(self, width_in: int, width: int, stride: int) -> None:
        super().__init__()
        wide = EXPANSION * width
        self.conv1 = nn.Conv2d(width_in, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, wide, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(wide)
        self.shortcut = projected(width_in, wide, stride)

    def before(self, x: Tensor) -> Tensor:
        """`(N, C_in, H, W)` -> `(N, 4 C, H/stride, W/stride)`."""
        y = F.relu(self.bn1(self.conv1(x)), inplace=True)
        y = F.relu(self.bn2(self.conv2(y)), inplace=True)
        pre: Tensor = self.bn3(self.conv3(y))
        pre += self.shortcut(x)
        return pre


class BigResNet(StagedNetwork):
    """A 3x3 stem, four stages, of which the last three halve the maps, global average pooling, one linear layer."""

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__()
        depth, width_in = depth_of(spec.arch), spec.channels[0]
        self.conv1 = nn.Conv2d(spec.in_channels, width_in, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width_in)
        kind = Bottleneck if depth == BOTTLENECK else BasicBlock
        stages = []
        for stage, (width, blocks) in enumerate(zip(spec.channels, BIG_BLOCKS[depth], strict=True)):
            layers = []
            for block in range(blocks):
                layers.append(kind(width_in, width, 2 if stage and not block else 1))
                width_in = EXPANSION * width if depth == BOTTLENECK else width
            stages.append(Stage(*layers))
        self.stages = nn.ModuleList(stages)
        self.fc = nn.Linear(width_in, spec.classes)
        published_start(self)

    def stem(self, images: Tensor) -> Tensor:
        """`(N, C, H, W)` -> maps of the same size."""
        return F.relu(self.bn1(self.conv1(images)), inplace=True)
