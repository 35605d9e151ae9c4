"""CIFAR ResNets of He et al. 2016 (section 4.2), with 1x1 projection shortcuts."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hpmkd.config.specs import ModelSpec, depth_of
from hpmkd.models.output import ModelOutput

_VECTOR = 16  # floats in the widest vectors of today's CPUs


class Projection(nn.Conv2d):
    """The 1x1 convolution of a shortcut.

    torch 2.14 on a CPU writes past its memory in the backward pass of a strided 1x1 convolution in channels_last of
    fewer channels than a vector holds: 8 with AVX2, 16 with AVX-512. Taking the strided pixels first gives the same
    bits and never gets there, but takes a third longer.
    """

    def __init__(self, width_in: int, width: int, stride: int) -> None:
        super().__init__(width_in, width, 1, stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """`(N, C_in, H, W)` -> `(N, C, H/stride, W/stride)`."""
        step = self.stride[0]
        if step == 1 or self.in_channels >= _VECTOR or x.device.type != "cpu":
            return super().forward(x)
        pixels = x[:, :, ::step, ::step].contiguous(memory_format=torch.channels_last)
        return F.conv2d(pixels, self.weight)


class BasicBlock(nn.Module):
    """Two 3x3 convolutions with BatchNorm and a shortcut, projected where the shape changes."""

    def __init__(self, width_in: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(width_in, width, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.shortcut = nn.Sequential()
        if stride != 1 or width_in != width:
            self.shortcut = nn.Sequential(Projection(width_in, width, stride), nn.BatchNorm2d(width))

    def forward(self, x: Tensor) -> Tensor:
        """`(N, C_in, H, W)` -> `(N, C, H/stride, W/stride)`."""
        y = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(y)) + self.shortcut(x))


class CifarResNet(nn.Module):
    """Depth 6n+2: a 3x3 stem, three stages of n blocks, global average pooling, one linear layer."""

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__()
        blocks = (depth_of(spec.arch) - 2) // 6
        width_in = spec.channels[0]
        self.conv1 = nn.Conv2d(spec.in_channels, width_in, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width_in)
        stages = []
        for stage, width in enumerate(spec.channels):
            strides = [1 if stage == 0 else 2] + [1] * (blocks - 1)
            layers = []
            for stride in strides:
                layers.append(BasicBlock(width_in, width, stride))
                width_in = width
            stages.append(nn.Sequential(*layers))
        self.stages = nn.ModuleList(stages)
        self.fc = nn.Linear(width_in, spec.classes)

    def forward(self, images: Tensor, features: bool = False, embedding: bool = False) -> ModelOutput:
        """Images float `(N, C, H, W)` -> `ModelOutput`; taps are the three stages' outputs, after their last ReLU, the
        embedding is the mean of the last stage's maps."""
        x = F.relu(self.bn1(self.conv1(images)))
        taps: list[Tensor] = []
        for stage in self.stages:
            x = stage(x)
            if features:
                taps.append(x)
        pooled = torch.flatten(F.adaptive_avg_pool2d(x, 1), 1)
        return ModelOutput(self.fc(pooled), tuple(taps), pooled if embedding else None)
