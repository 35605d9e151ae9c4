"""What the blocks of the mobile networks have in common: a depthwise convolution between two 1x1 convolutions."""

from __future__ import annotations

from torch import nn


class DepthwiseLayers(nn.Module):
    """1x1 to `inner` channels, 3x3 depthwise with the stride, 1x1 to `width`, each with BatchNorm. Which of them a ReLU
    follows is the block's own.

    Args:
        width_in, inner, width: channels.
        stride: of the depthwise convolution.
        groups: of the first and of the last convolution.
    """

    def __init__(self, width_in: int, inner: int, width: int, *, stride: int, groups: tuple[int, int] = (1, 1)) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(width_in, inner, 1, groups=groups[0], bias=False)
        self.bn1 = nn.BatchNorm2d(inner)
        self.conv2 = nn.Conv2d(inner, inner, 3, stride, 1, groups=inner, bias=False)
        self.bn2 = nn.BatchNorm2d(inner)
        self.conv3 = nn.Conv2d(inner, width, 1, groups=groups[1], bias=False)
        self.bn3 = nn.BatchNorm2d(width)
