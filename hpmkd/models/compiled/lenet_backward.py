"""Parts of the backward pass of LeNet5's convolutional part, for one image.

`geometry` of a layer: sides of its maps after pooling and of those that it is given, and the channels of these.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from hpmkd.models.compiled.lenet_intrinsics import CUT_OFF, KERNEL, gather
from hpmkd.models.compiled.vectors import keeping_constants


@keeping_constants
def list_windows(gradients: Any, at: Any, arrays: Any, geometry: Any) -> tuple[Any, Any]:
    """Of an output channel: where, in maps in NHWC, the 5x5 places begin that have a gradient, and the gradient.

    Args:
        gradients: of each window, and which of its four positions it came from.
        at: where the channel's gradients begin, the step to the next window's; where its positions begin.
        arrays: of `gather`: the last two are the list, which is written.
        geometry: see above.

    Returns:
        How many there are, and the sum of the gradients, which is that of the bias.
    """
    values, positions = gradients
    start, step, first = at
    places, factors = arrays[2], arrays[3]
    pooled, side, channels = geometry
    count: Any = 0
    total = np.float32(0)
    for row in range(pooled):
        for column in range(pooled):
            number = row * pooled + column
            position, value = np.int32(positions[first + number]), values[start + number * step]
            # Written in any case, and counted where it is alive: a branch would be guessed wrong half of the time.
            places[count] = ((2 * row + (position >> 1)) * side + 2 * column + (position & 1)) * channels
            factors[count] = value
            count += position < CUT_OFF
            total += value if position < CUT_OFF else np.float32(0)
    return count, total


@keeping_constants
def list_channels(gradients: Any, at: int, arrays: Any, size: Any) -> Any:
    """Of window `at` of the second layer: where, in `in_border`'s filters, the 6x6 places begin by which the output
    channels that have a gradient move the window's input, and the gradient; how many there are.

    `size`: the side of the maps after pooling, output channels, input channels, and how far filters are apart.
    """
    values, positions = gradients
    places, factors = arrays[2], arrays[3]
    pooled, outputs, channels, apart = size
    windows = pooled * pooled
    count: Any = 0
    for output in range(outputs):
        number = output * windows + at
        position = np.int32(positions[number])
        places[count] = output * apart + ((1 - ((position >> 1) & 1)) * (KERNEL + 2) + 1 - (position & 1)) * channels
        factors[count] = values[number]
        count += position < CUT_OFF
    return count


@keeping_constants
def in_border(filters: Any, channels: int, room: int) -> Any:
    """Filters `(O, 5, 5, C)` in a border of one zero pixel, `(O, 7 * 7 * C + room)`."""
    wide, row = KERNEL + 2, KERNEL * channels
    made = np.zeros((len(filters) // (KERNEL * row), wide * wide * channels + room), np.float32)
    for output in range(len(made)):
        for y in range(KERNEL):
            for x in range(row):
                made[output, ((y + 1) * wide + 1) * channels + x] = filters[(output * KERNEL + y) * row + x]
    return made


@keeping_constants
def add_patch(patch: Any, maps: Any, at: int, geometry: Any) -> None:
    """Adds what window `at` gives back, `(6, 6 C)` and padding, to the gradient of maps `(S, S, C)`."""
    pooled, side, channels = geometry
    row, column, apart = at // pooled, at % pooled, len(patch) // (KERNEL + 1)
    for y in range(KERNEL + 1):
        start = ((2 * row + y) * side + 2 * column) * channels
        for x in range((KERNEL + 1) * channels):
            maps[start + x] += patch[y * apart + x]


@keeping_constants
def without_padding(sums: Any, made: Any, row: int) -> None:
    """Rows of filters, each with padding behind it -> without."""
    rows = len(made) // row
    apart = len(sums) // rows
    for y in range(rows):
        for x in range(row):
            made[y * row + x] = sums[y * apart + x]


@keeping_constants
def filters_of_second(gradients: Any, of_biases: Any, arrays: Any, about: Any) -> None:
    """Adds an image's gradients to those of the second layer's filters and biases.

    Args:
        gradients: of the layer's output `(O, P, P)`, and which position each came from.
        of_biases: `(O,)`.
        arrays: of `gather`: those of filters, with padding, the layer's input in NHWC, and room for a list.
        about: the geometry, and the shape for `gather`; constants.
    """
    geometry, shape = about
    windows, apart = geometry[0] * geometry[0], len(arrays[0]) // len(of_biases)
    for output in range(len(of_biases)):
        first = output * windows
        count, total = list_windows(gradients, (first, 1, first), arrays, geometry)
        of_biases[output] += total
        gather(arrays, (output * apart, count), shape)


@keeping_constants
def filters_of_first(gradients: Any, sums: Any, arrays: Any, about: Any) -> None:
    """The same of the first layer, whose output's gradients are in NHWC, into `sums` of filters and biases.

    `arrays` have room for the filters' of one channel and image, which are summed by themselves: there are so many
    windows that a single sum of all would lose bits.
    """
    geometry, shape = about
    of_filters, of_biases = sums
    outputs, windows, of_image = len(of_biases), geometry[0] * geometry[0], arrays[0]
    for output in range(outputs):
        count, total = list_windows(gradients, (output, outputs, output * windows), arrays, geometry)
        of_biases[output] += total
        of_image[:] = 0
        gather(arrays, (0, count), shape)
        for number in range(len(of_image)):
            of_filters[output * len(of_image) + number] += of_image[number]
