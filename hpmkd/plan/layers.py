"""Layers as arithmetic: what each of them has and costs. No torch."""

from __future__ import annotations

from typing import NamedTuple


class Layer(NamedTuple):
    """A layer, or several in a row.

    Args:
        parameters: trainable ones.
        multiply_adds: of one image's forward pass, of convolutions and linear layers.
        activations: numbers that its convolutions give of one image; those beside the main path are left out.
        depth: layers with weights on the longest way through the network, BatchNorm aside.
    """

    parameters: int = 0
    multiply_adds: int = 0
    activations: int = 0
    depth: int = 0

    def times(self, count: int) -> Layer:
        """As many of them in a row."""
        return Layer(*(count * value for value in self))


def conv(inside: int, outside: int, kernel: int, side: int, *, groups: int = 1, bias: bool = False) -> Layer:
    """A convolution of `kernel` x `kernel` that gives maps of `side` x `side`."""
    weights = kernel * kernel * (inside // groups) * outside
    return Layer(weights + outside * bias, weights * side**2, outside * side**2, 1)


def shortcut(inside: int, outside: int, side: int) -> Layer:
    """A 1x1 convolution beside the main path."""
    return conv(inside, outside, 1, side)._replace(activations=0, depth=0)


def norm(width: int) -> Layer:
    """BatchNorm: a factor and a summand per channel."""
    return Layer(2 * width)


def linear(inside: int, outside: int) -> Layer:
    """With bias."""
    return Layer((inside + 1) * outside, inside * outside, depth=1)


def total(layers: list[Layer]) -> Layer:
    """All of them together."""
    return Layer(*map(sum, zip(*layers, strict=True)))
