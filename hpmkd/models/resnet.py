"""CIFAR ResNets of He et al. 2016 (section 4.2), with 1x1 projection shortcuts."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from hpmkd.config.architectures import depth_of
from hpmkd.config.specs import ModelSpec
from hpmkd.models.projection import Projection
from hpmkd.models.staged import Block, Stage, StagedNetwork


class BasicBlock(Block):
    """Two 3x3 convolutions with BatchNorm and a shortcut, projected where the shape changes."""

    def __init__(self, width_in: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(width_in, width, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.shortcut = projected(width_in, width, stride)

    def before(self, x: Tensor) -> Tensor:
        """`(N, C_in, H, W)` -> `(N, C, H/stride, W/stride)`."""
        y = F.relu(self.bn1(self.conv1(x)), inplace=True)
        pre: Tensor = self.bn2(self.conv2(y))
        pre += self.shortcut(x)
        return pre


def projected(width_in: int, width: int, stride: int) -> nn.Sequential:
    """The shortcut of a block: nothing at all, or a projection with BatchNorm where the shape changes."""
    if stride == 1 and width_in == width:
        return nn.Sequential()
    return nn.Sequential(Projection(width_in, width, stride), nn.BatchNorm2d(width))


class CifarResNet(StagedNetwork):
    """Depth 6n+2: a 3x3 stem, three stages of n blocks, global average pooling, one linear layer.

    Of three widths the first is the stem's, too; of four the stem has its own (resnet8x4, resnet32x4).
    """

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__()
        blocks = (depth_of(spec.arch) - 2) // 6
        width_in = spec.channels[0]
        self.conv1 = nn.Conv2d(spec.in_channels, width_in, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width_in)
        stages = []
        for stage, width in enumerate(spec.channels[-3:]):
            strides = [1 if stage == 0 else 2] + [1] * (blocks - 1)
            layers = []
            for stride in strides:
                layers.append(BasicBlock(width_in, width, stride))
                width_in = width
            stages.append(Stage(*layers))
        self.stages = nn.ModuleList(stages)
        self.fc = nn.Linear(width_in, spec.classes)

    def stem(self, images: Tensor) -> Tensor:
        """`(N, C, H, W)` -> maps of the same size."""
        return F.relu(self.bn1(self.conv1(images)), inplace=True)
