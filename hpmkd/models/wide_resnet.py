"""Wide ResNets: Zagoruyko and Komodakis 2016, with the blocks before whose convolutions BatchNorm and ReLU stand."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from hpmkd.config.architectures import depth_of
from hpmkd.config.specs import ModelSpec
from hpmkd.models.projection import Projection
from hpmkd.models.staged import StagedNetwork, published_start


class WideBlock(nn.Module):
    """BatchNorm, ReLU, 3x3 convolution, twice; where the width changes the shortcut is a 1x1 convolution of what the
    first ReLU gives."""

    def __init__(self, width_in: int, width: int, stride: int) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(width_in)
        self.conv1 = nn.Conv2d(width_in, width, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        changes = stride != 1 or width_in != width
        self.shortcut = Projection(width_in, width, stride) if changes else None

    def forward(self, x: Tensor) -> Tensor:
        """`(N, C_in, H, W)` -> `(N, C, H/stride, W/stride)`."""
        active = F.relu(self.bn1(x), inplace=True)
        y: Tensor = self.conv2(F.relu(self.bn2(self.conv1(active)), inplace=True))
        y += x if self.shortcut is None else self.shortcut(active)
        return y


class WideResNet(StagedNetwork):
    """Depth 6n+4: a 3x3 stem, three stages of n blocks, BatchNorm and ReLU, global average pooling, one linear layer.

    The taps are the sums at the ends of the stages, as in the code of the literature; no ReLU stands there.
    """

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__()
        blocks = (depth_of(spec.arch) - 4) // 6
        width_in = spec.channels[0]
        self.conv1 = nn.Conv2d(spec.in_channels, width_in, 3, 1, 1, bias=False)
        stages = []
        for stage, width in enumerate(spec.channels[1:]):
            layers = []
            for block in range(blocks):
                layers.append(WideBlock(width_in, width, 2 if stage and not block else 1))
                width_in = width
            stages.append(nn.Sequential(*layers))
        self.stages = nn.ModuleList(stages)
        self.bn = nn.BatchNorm2d(width_in)
        self.fc = nn.Linear(width_in, spec.classes)
        published_start(self)

    def stem(self, images: Tensor) -> Tensor:
        """`(N, C, H, W)` -> maps of the same size."""
        maps: Tensor = self.conv1(images)
        return maps

    def split(self, number: int, x: Tensor) -> tuple[Tensor, Tensor]:
        """The sum at the end of a stage, and the same after the BatchNorm that comes next, which its ReLU is given."""
        x = self.stages[number](x)
        last = number + 1 == len(self.stages)
        following = self.bn if last else next(self.stages[number + 1].children()).get_submodule("bn1")
        return x, _normalised(following, x)

    def finish(self, x: Tensor) -> Tensor:
        """The last sum -> what the last ReLU gives."""
        return F.relu(self.bn(x), inplace=True)


def _normalised(norm: nn.Module, x: Tensor) -> Tensor:
    """What a BatchNorm gives; its running statistics stay as they are, since the network's own call moves them."""
    assert isinstance(norm, nn.BatchNorm2d)
    if not norm.training:
        return F.batch_norm(x, norm.running_mean, norm.running_var, norm.weight, norm.bias, eps=norm.eps)
    return F.batch_norm(x, None, None, norm.weight, norm.bias, training=True, eps=norm.eps)
