"""LeNet5's convolutional part (5x5 convolution, 2x2 max pooling, ReLU; twice), forward and backward, on one core.

Forward, so many images at a time as a vector has lanes; a window of four positions x some output channels is in the
registers, and maps before pooling never reach the memory. Backward, image by image in NHWC: of each window one position
alone has a gradient, and none where ReLU cut it off, so that the work is a list of (place, gradient) for each output
channel in place of a dense convolution. A number is one chain of fused multiply-adds in a fixed order, whatever the
vectors are like.

Side P = (S - 4) // 2, as torch's pooling leaves out the last row and column of an odd number of them.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from hpmkd.models.compiled.lenet_backward import (
    add_patch,
    filters_of_first,
    filters_of_second,
    in_border,
    list_channels,
    without_padding,
)
from hpmkd.models.compiled.lenet_intrinsics import KERNEL, gather, window
from hpmkd.models.compiled.processor import VectorSetting
from hpmkd.models.compiled.shapes import Shape
from hpmkd.models.compiled.vectors import compiling, keeping_constants


@keeping_constants
def to_lanes(images: Any, first: int, made: Any, size: Any) -> None:
    """Images `(N, S S C)` from the `first` on -> `(C, S S, lanes)`; where there are too few, zeros.

    `size`: S S, C, lanes; constants.
    """
    pixels, channels, lanes = size
    count = min(lanes, images.shape[0] - first)
    if count < lanes:
        made[:] = 0
    for pixel in range(pixels):
        for channel in range(channels):
            for lane in range(count):
                made[(channel * pixels + pixel) * lanes + lane] = images[first + lane, pixel * channels + channel]


@keeping_constants
def from_lanes(block: Any, made: Any, first: int, size: Any) -> None:
    """The reverse, `(O, P P, lanes)` -> `(N, P P O)`; with 1 and O P P as the size the order stays as it is."""
    pixels, channels, lanes = size
    for lane in range(min(lanes, made.shape[0] - first)):
        for pixel in range(pixels):
            for channel in range(channels):
                made[first + lane, pixel * channels + channel] = block[(channel * pixels + pixel) * lanes + lane]


@keeping_constants
def layer(arrays: Any, whole: Any, rest: Any) -> None:
    """One layer for a block of images.

    Args:
        arrays: see `window`.
        whole: C, S, the number of output channels in a group, lanes; constants.
        rest: the same of the last, smaller group.
    """
    channels, side, group, lanes = whole
    pooled, outputs = (side - KERNEL + 1) // 2, len(arrays[2])
    weights, apart = KERNEL * KERNEL * channels, pooled * pooled * lanes
    for row in range(pooled):
        for first in range(0, outputs, group):
            for column in range(pooled):
                to = (first * pooled * pooled + row * pooled + column) * lanes
                at = ((2 * row * side + 2 * column) * lanes, first * weights, first, to, apart)
                if first + group <= outputs:
                    window(arrays, at, whole)
                else:
                    window(arrays, at, rest)


def forward_kernel(shape: Shape, setting: VectorSetting, options: dict[str, Any]) -> Any:
    """The compiler's function for networks of a shape; `options` of `njit`."""
    lanes, group = setting.lanes, setting.group
    whole1, rest1 = ((shape.channels, shape.side, some, lanes) for some in (group, shape.first % group))
    whole2, rest2 = ((shape.first, shape.side1, some, lanes) for some in (group, shape.second % group))
    size, size1 = (shape.side**2, shape.channels, lanes), (shape.side1**2, shape.first, lanes)
    flat1, flat2 = (1, shape.side1**2 * shape.first, lanes), (1, shape.side2**2 * shape.second, lanes)

    @compiling(options)
    def forward(images: Any, weights: Any, made: Any) -> None:
        """Images `(N, S S C)` -> all others.

        weights: filters `(O, 5, 5, C)` and biases of both layers, flat.
        made: the second layer's maps `(N, O2 P2 P2)`, the first one's `(N, P1 P1 O1)`, places `(N, O P P)` of both.
        """
        filters1, biases1, filters2, biases2 = weights
        last, maps, places1, places2 = made
        images_in_lanes = np.empty(images.shape[1] * lanes, np.float32)
        maps_in_lanes = np.empty(maps.shape[1] * lanes, np.float32)
        last_in_lanes = np.empty(last.shape[1] * lanes, np.float32)
        bytes1 = np.empty(maps.shape[1] * lanes, np.uint8)
        bytes2 = np.empty(last.shape[1] * lanes, np.uint8)
        for first in range(0, images.shape[0], lanes):
            to_lanes(images, first, images_in_lanes, size)
            layer((images_in_lanes, filters1, biases1, maps_in_lanes, bytes1), whole1, rest1)
            layer((maps_in_lanes, filters2, biases2, last_in_lanes, bytes2), whole2, rest2)
            from_lanes(maps_in_lanes, maps, first, size1)
            from_lanes(bytes1, places1, first, flat1)
            from_lanes(last_in_lanes, last, first, flat2)
            from_lanes(bytes2, places2, first, flat2)

    return forward


def _geometries(shape: Shape) -> tuple[tuple[int, int, int], tuple[int, int, int]]:
    """Of both layers, see `lenet_backward`."""
    return (shape.side1, shape.side, shape.channels), (shape.side2, shape.side1, shape.first)


def _sums(shape: Shape, setting: VectorSetting) -> list[tuple[int, int, int, int, int]]:
    """Constants of `gather`: filters of the first and of the second layer, patches of the first one's maps."""
    sizes = (
        (KERNEL, KERNEL * shape.channels, shape.side * shape.channels),
        (KERNEL, KERNEL * shape.first, shape.side1 * shape.first),
        (KERNEL + 1, (KERNEL + 1) * shape.first, (KERNEL + 2) * shape.first),
    )
    return [setting.sums_of(*size) for size in sizes]


def backward_kernel(shape: Shape, setting: VectorSetting, options: dict[str, Any]) -> Any:
    """The same of the backward pass."""
    lanes, room, channels, outputs1, side2 = setting.lanes, 4 * setting.lanes, shape.channels, shape.first, shape.side2
    (geometry1, geometry2), (sums1, sums2, patches) = _geometries(shape), _sums(shape, setting)
    longest = max(shape.side1**2, side2**2, shape.second) + 1
    of_windows = (side2, shape.second, outputs1, (KERNEL + 2) ** 2 * outputs1 + room)

    @compiling(options)
    def backward(given: Any, kept: Any, filters2: Any, gradients: Any) -> None:
        """Gradients `(N, O2 P2 P2)` of what `forward` made -> those of its weights, overwritten.

        kept: images `(N, S S C)`, the first layer's maps `(N, P1 P1 O1)`, places `(N, O P P)` of both layers.
        """
        images, maps, places1, places2 = kept
        filters1_to, biases1_to, filters2_to, biases2_to = gradients
        image, map1 = np.zeros(images.shape[1] + room, np.float32), np.zeros(maps.shape[1] + room, np.float32)
        bordered = in_border(filters2, outputs1, room)
        of_filters1 = np.zeros(len(biases1_to) * KERNEL * sums1[1] * lanes, np.float32)
        of_filters2 = np.zeros(len(biases2_to) * KERNEL * sums2[1] * lanes, np.float32)
        of_map, of_image = np.zeros(maps.shape[1], np.float32), np.zeros(KERNEL * sums1[1] * lanes, np.float32)
        patch = np.zeros((KERNEL + 1) * patches[1] * lanes, np.float32)
        places, factors = np.zeros(longest, np.int32), np.zeros(longest, np.float32)
        arrays1, arrays2 = (of_image, image, places, factors), (of_filters2, map1, places, factors)
        arrays3 = (patch, bordered.reshape(-1), places, factors)
        biases1_to[:], biases2_to[:] = 0, 0
        for n in range(images.shape[0]):
            image[: images.shape[1]] = images[n]
            map1[: maps.shape[1]] = maps[n]
            last = (given[n], places2[n])
            filters_of_second(last, biases2_to, arrays2, (geometry2, sums2))
            of_map[:] = 0
            for at in range(side2 * side2):
                patch[:] = 0
                gather(arrays3, (0, list_channels(last, at, arrays3, of_windows)), patches)
                add_patch(patch, of_map, at, geometry2)
            filters_of_first((of_map, places1[n]), (of_filters1, biases1_to), arrays1, (geometry1, sums1))
        without_padding(of_filters1, filters1_to, KERNEL * channels)
        without_padding(of_filters2, filters2_to, KERNEL * outputs1)

    return backward
