"""The two inner loops of LeNet5's convolutional part, with their sums in registers.

An argument is a tuple: flat arrays, places in them, constants. Tuples of arrays are made outside of loops, since their
references are counted whenever one is made.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from hpmkd.models.compiled.vectors import I64, Vectors, constants, unpacked

KERNEL = 5  # side of a filter
CUT_OFF = 4  # where the largest of a window's four values is, if ReLU leaves nothing of it


@intrinsic(prefer_literal=True)
def window(typing: Any, arrays: Any, at: Any, layer: Any) -> Any:
    """A window of 2x2 pooling: 5x5 convolution, bias, maximum and ReLU, for as many images as a vector has lanes.

    Args:
        typing: numba's.
        arrays: maps `(C, S, S, lanes)`, filters `(O, 5, 5, C)`, biases `(O,)`; maxima `(O, P, P, lanes)`, and as bytes
            which of the four values each is (`CUT_OFF`: none), which are written.
        at: where the window begins in the maps, the first filter, the first bias, and its maxima; and how far the next
            channel's are from those.
        layer: C, S, the number of channels that are computed, lanes; constants.
    """
    known = constants(layer)
    if known is None:
        return None
    channels, side, outputs, lanes = known

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        write = Vectors(builder, lanes)
        maps, filters, biases, maxima, places = unpacked(context, builder, signature.args[0], args[0])
        start, first_filter, first_bias, to, apart = unpacked(context, builder, signature.args[1], args[1])
        bias = write.at(biases, first_bias)
        sums = [write.spread(builder.load(write.at(bias, channel))) for channel in range(outputs) for _ in range(4)]
        maps, filters = write.at(maps, start), write.at(filters, first_filter)

        def body(channel: Any, sums: list[Any]) -> list[Any]:
            here = write.at(maps, builder.mul(channel, ir.Constant(I64, side * side * lanes)))
            return _convolved(write, here, write.at(filters, channel), (list(sums), channels, side))

        sums = write.loop(ir.Constant(I64, channels), sums, body)
        for channel in range(outputs):
            largest, place = _pooled(write, sums[4 * channel : 4 * channel + 4])
            there = builder.mul(apart, ir.Constant(I64, channel))
            write.store(largest, write.at(maxima, to, there))
            write.store(place, write.at(places, to, there), align=1)
        return context.get_dummy_value()

    return types.void(arrays, at, layer), codegen


def _convolved(write: Vectors, maps: Any, filters: Any, state: tuple[list[Any], int, int]) -> list[Any]:
    """The sums with those of one input channel: four positions for each output channel."""
    sums, channels, side = state
    lanes = write.lanes
    for row in range(KERNEL):

        def column(number: int, row: int = row) -> list[Any]:
            return [write.load(write.at(maps, ((row + below) * side + number) * lanes)) for below in range(2)]

        left = column(0)
        for tap in range(KERNEL):
            right = column(tap + 1)
            pixels = [left[0], right[0], left[1], right[1]]
            for output in range(len(sums) // 4):
                place = ((output * KERNEL + row) * KERNEL + tap) * channels
                weight = write.spread(write.builder.load(write.at(filters, place)))
                for position, pixel in enumerate(pixels):
                    number = 4 * output + position
                    sums[number] = write.fma(pixel, weight, sums[number])
            left = right
    return sums


def _pooled(write: Vectors, values: Sequence[Any]) -> tuple[Any, Any]:
    """The largest of four vectors after ReLU, and which it is. As torch has it: of equal ones the first, and what is
    no number is larger than any, the last of several."""
    builder = write.builder
    largest, place = values[0], write.bytes_of(0)
    for number, value in enumerate(values[1:], 1):
        larger = builder.or_(builder.fcmp_ordered(">", value, largest), builder.fcmp_unordered("uno", value, value))
        largest = builder.select(larger, value, largest)
        place = builder.select(larger, write.bytes_of(number), place)
    cut_off = builder.fcmp_ordered("<=", largest, write.zero())
    return builder.select(cut_off, write.zero(), largest), builder.select(cut_off, write.bytes_of(CUT_OFF), place)


@intrinsic(prefer_literal=True)
def gather(typing: Any, arrays: Any, at: Any, shape: Any) -> Any:
    """sums[r, :] += factor_i source[place_i + r stride, :] over the entries of a list.

    Args:
        typing: numba's.
        arrays: sums; source, at whose end there must be room for a vector more; places and factors of the list.
        at: where the sums `(rows, vectors * lanes)` begin in theirs; how many entries the list has.
        shape: rows, vectors in a row, stride, lanes, the number of accumulators; constants.
    """
    known = constants(shape)
    if known is None:
        return None
    rows, wide, stride, lanes, accumulators = known

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        write = Vectors(builder, lanes)
        array, values, places, factors = unpacked(context, builder, signature.args[0], args[0])
        start, count = unpacked(context, builder, signature.args[1], args[1])
        array, at_once = write.at(array, start), max(1, accumulators // wide)
        for first in range(0, rows, at_once):
            cells = [(row, part) for row in range(first, min(rows, first + at_once)) for part in range(wide)]
            targets = [write.at(array, (row * wide + part) * lanes) for row, part in cells]

            def body(number: Any, carried: list[Any], cells: list[tuple[int, int]] = cells) -> list[Any]:
                there = write.at(values, builder.sext(builder.load(write.at(places, number)), I64))
                factor = write.spread(builder.load(write.at(factors, number)))
                read = [write.load(write.at(there, row * stride + part * lanes)) for row, part in cells]
                return [write.fma(one, factor, old) for one, old in zip(read, carried, strict=True)]

            for done, target in zip(write.loop(count, list(map(write.load, targets)), body), targets, strict=True):
                write.store(done, target)
        return context.get_dummy_value()

    return types.void(arrays, at, shape), codegen
