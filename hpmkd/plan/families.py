"""The layers of each family of networks, from which parameters and multiply-adds are counted. No torch.

`models/` builds the networks; a test holds both against each other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from hpmkd.config.architectures import (
    BIG_BLOCKS,
    BOTTLENECK,
    EXPANSION,
    MOBILE_STAGES,
    SHUFFLE_V1_BLOCKS,
    SHUFFLE_V1_GROUPS,
    SHUFFLE_V2_BLOCKS,
    VGG_BLOCKS,
    VGG_LAST_POOL,
    depth_of,
)
from hpmkd.config.specs import ModelSpec
from hpmkd.plan.layers import Layer, conv, linear, norm, shortcut, total


def halved(side: int) -> int:
    """The side after a convolution of stride 2 with padding."""
    return (side + 1) // 2


def _lenet5(spec: ModelSpec) -> Iterator[Layer]:
    first, second, hidden = spec.channels
    side = spec.image_size - 4
    yield conv(spec.in_channels, first, 5, side, bias=True)
    side = side // 2 - 4
    yield conv(first, second, 5, side, bias=True)
    yield linear(second * (side // 2) ** 2, hidden)
    yield linear(hidden, spec.classes)


def _basic(inside: int, width: int, side: int) -> Layer:
    """Two 3x3 convolutions with BatchNorm."""
    return total([conv(inside, width, 3, side), norm(width), conv(width, width, 3, side), norm(width)])


def _bottleneck(inside: int, width: int, side_in: int, side: int) -> Layer:
    """1x1, 3x3 (which may halve the maps), 1x1."""
    wide = EXPANSION * width
    return total(
        [
            *(conv(inside, width, 1, side_in), norm(width), conv(width, width, 3, side), norm(width)),
            *(conv(width, wide, 1, side), norm(wide)),
        ]
    )


def _resnet(spec: ModelSpec) -> Iterator[Layer]:
    blocks, side, inside = (depth_of(spec.arch) - 2) // 6, spec.image_size, spec.channels[0]
    yield conv(spec.in_channels, inside, 3, side)
    yield norm(inside)
    for stage, width in enumerate(spec.channels[-3:]):
        side = halved(side) if stage else side
        yield _basic(inside, width, side)
        if stage or width != inside:
            yield from (shortcut(inside, width, side), norm(width))
        yield _basic(width, width, side).times(blocks - 1)
        inside = width
    yield linear(inside, spec.classes)


def _bigresnet(spec: ModelSpec) -> Iterator[Layer]:
    depth, side, inside = depth_of(spec.arch), spec.image_size, spec.channels[0]
    yield conv(spec.in_channels, inside, 3, side)
    yield norm(inside)
    for stage, (width, blocks) in enumerate(zip(spec.channels, BIG_BLOCKS[depth], strict=True)):
        before, side = side, halved(side) if stage else side
        wide = EXPANSION * width if depth == BOTTLENECK else width
        if depth == BOTTLENECK:
            yield _bottleneck(inside, width, before, side)
            yield _bottleneck(wide, width, side, side).times(blocks - 1)
        else:
            yield _basic(inside, width, side)
            yield _basic(width, width, side).times(blocks - 1)
        if stage or wide != inside:
            yield from (shortcut(inside, wide, side), norm(wide))
        inside = wide
    yield linear(inside, spec.classes)


def _wrn(spec: ModelSpec) -> Iterator[Layer]:
    blocks, side, inside = (depth_of(spec.arch) - 4) // 6, spec.image_size, spec.channels[0]
    yield conv(spec.in_channels, inside, 3, side)
    for stage, width in enumerate(spec.channels[1:]):
        side = halved(side) if stage else side
        for place, count in ((inside, 1), (width, blocks - 1)):
            block = [norm(place), conv(place, width, 3, side), norm(width), conv(width, width, 3, side)]
            yield total(block).times(count)
        if inside != width:
            yield shortcut(inside, width, side)
        inside = width
    yield norm(inside)
    yield linear(inside, spec.classes)


def _vgg(spec: ModelSpec) -> Iterator[Layer]:
    side, inside = spec.image_size, spec.in_channels
    for block, (width, count) in enumerate(zip(spec.channels, VGG_BLOCKS[depth_of(spec.arch)], strict=True)):
        if 0 < block < 4 or (block == 4 and spec.image_size >= VGG_LAST_POOL):
            side //= 2
        for place, times in ((inside, 1), (width, count - 1)):
            yield total([conv(place, width, 3, side, bias=True), norm(width)]).times(times)
        inside = width
    yield linear(inside, spec.classes)


def _mobilenetv2(spec: ModelSpec) -> Iterator[Layer]:
    stem, *widths, last = spec.channels
    side, inside = halved(spec.image_size), stem
    yield from (conv(spec.in_channels, stem, 3, side), norm(stem))
    for width, (expansion, blocks, stride) in zip(widths, MOBILE_STAGES, strict=True):
        for block in range(blocks):
            wide, before = expansion * inside, side
            side = halved(side) if stride == 2 and block == 0 else side
            yield from (conv(inside, wide, 1, before), norm(wide))
            yield from (conv(wide, wide, 3, side, groups=wide), norm(wide))
            yield from (conv(wide, width, 1, side), norm(width))
            inside = width
    yield from (conv(inside, last, 1, side), norm(last), linear(last, spec.classes))


def _shufflenetv1(spec: ModelSpec) -> Iterator[Layer]:
    stem, *widths = spec.channels
    side, inside = spec.image_size, stem
    yield from (conv(spec.in_channels, stem, 1, side), norm(stem))
    for stage, (width, blocks) in enumerate(zip(widths, SHUFFLE_V1_BLOCKS, strict=True)):
        before, side = side, halved(side)
        groups = SHUFFLE_V1_GROUPS if stage else 1
        yield _shuffled(inside, width - inside, before, side, groups=groups)
        yield _shuffled(width, width, side, side, groups=SHUFFLE_V1_GROUPS).times(blocks - 1)
        inside = width
    yield linear(inside, spec.classes)


def _shuffled(inside: int, outside: int, before: int, side: int, *, groups: int) -> Layer:
    """ShuffleNet's block; `groups`: of its first convolution."""
    inner = outside // 4
    return total(
        [
            *(conv(inside, inner, 1, before, groups=groups), norm(inner)),
            *(conv(inner, inner, 3, side, groups=inner), norm(inner)),
            *(conv(inner, outside, 1, side, groups=SHUFFLE_V1_GROUPS), norm(outside)),
        ]
    )


def _shufflenetv2(spec: ModelSpec) -> Iterator[Layer]:
    stem, *widths, last = spec.channels
    side, inside = spec.image_size, stem
    yield from (conv(spec.in_channels, stem, 1, side), norm(stem))
    for width, blocks in zip(widths, SHUFFLE_V2_BLOCKS, strict=True):
        half, before, side = width // 2, side, halved(side)
        beside = [conv(inside, inside, 3, side, groups=inside), norm(inside), conv(inside, half, 1, side), norm(half)]
        yield total(beside)._replace(depth=0)
        yield total([conv(inside, half, 1, before), norm(half), _separable(half, side)])
        yield total([conv(half, half, 1, side), norm(half), _separable(half, side)]).times(blocks - 1)
        inside = width
    yield from (conv(inside, last, 1, side), norm(last), linear(last, spec.classes))


def _separable(width: int, side: int) -> Layer:
    """A depthwise 3x3 convolution and a 1x1 convolution, with BatchNorm."""
    return total([conv(width, width, 3, side, groups=width), norm(width), conv(width, width, 1, side), norm(width)])


LAYERS: dict[str, Callable[[ModelSpec], Iterator[Layer]]] = {
    "lenet5": _lenet5,
    "resnet": _resnet,
    "wrn": _wrn,
    "vgg": _vgg,
    "bigresnet": _bigresnet,
    "mobilenetv2": _mobilenetv2,
    "shufflenetv1": _shufflenetv1,
    "shufflenetv2": _shufflenetv2,
}
