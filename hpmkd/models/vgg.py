"""VGG of Simonyan and Zisserman 2015 for 32x32 pixels, with BatchNorm and one linear layer, as in RepDistiller."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from hpmkd.config.architectures import VGG_BLOCKS, VGG_LAST_POOL, depth_of
from hpmkd.config.specs import ModelSpec
from hpmkd.models.staged import Block, StagedNetwork, published_start


class VggBlock(Block):
    """2x2 max pooling where `pooled`, then 3x3 convolutions with BatchNorm and ReLU."""

    def __init__(self, width_in: int, width: int, *, convolutions: int, pooled: bool) -> None:
        super().__init__()
        self.pooled = pooled
        layers: list[nn.Module] = []
        for _ in range(convolutions):
            layers += [nn.Conv2d(width_in, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU(inplace=True)]
            width_in = width
        self.layers = nn.Sequential(*layers[:-1])

    def before(self, x: Tensor) -> Tensor:
        """`(N, C_in, H, W)` -> `(N, C, H', W')`."""
        pre: Tensor = self.layers(F.max_pool2d(x, 2) if self.pooled else x)
        return pre


class Vgg(StagedNetwork):
    """Five blocks, the first as the stem; max pooling between them, before the last one only from 64x64 pixels on (in
    RepDistiller: at 64x64 alone), global average pooling, one linear layer. The taps are the last four blocks."""

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__()
        width_in, blocks = spec.in_channels, list[VggBlock]()
        for number, (width, convolutions) in enumerate(
            zip(spec.channels, VGG_BLOCKS[depth_of(spec.arch)], strict=True)
        ):
            pooled = 0 < number < 4 or (number == 4 and spec.image_size >= VGG_LAST_POOL)
            blocks.append(VggBlock(width_in, width, convolutions=convolutions, pooled=pooled))
            width_in = width
        self.first, self.stages = blocks[0], nn.ModuleList(blocks[1:])
        self.fc = nn.Linear(width_in, spec.classes)
        published_start(self)

    def stem(self, images: Tensor) -> Tensor:
        """`(N, C, H, W)` -> maps of the same size."""
        maps: Tensor = self.first(images)
        return maps
