"""Explicit vectors of fp32 numbers, for numba's intrinsics: words of LLVM's intermediate representation."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from llvmlite import ir
from numba import njit
from numba.core import cgutils, types
from numba.extending import overload

Function = TypeVar("Function", bound=Callable[..., Any])
F32, I8, I32, I64 = ir.FloatType(), ir.IntType(8), ir.IntType(32), ir.IntType(64)


class Vectors:
    """Writes code at the place where `builder` stands, with vectors of `lanes` numbers."""

    def __init__(self, builder: Any, lanes: int) -> None:
        self.builder, self.lanes = builder, lanes
        self.kind = ir.VectorType(F32, lanes)
        signature = ir.FunctionType(self.kind, [self.kind] * 3)
        # One rounding, and of the same numbers in the same order: the bits are those of any width.
        self._fma = cgutils.get_or_insert_function(builder.module, signature, f"llvm.fma.v{lanes}f32")

    def at(self, pointer: Any, *offsets: Any) -> Any:
        """The pointer, so many elements further on."""
        for offset in offsets:
            pointer = self.builder.gep(pointer, [ir.Constant(I64, offset) if isinstance(offset, int) else offset])
        return pointer

    def load(self, pointer: Any) -> Any:
        """A vector from anywhere."""
        return self.builder.load(self.builder.bitcast(pointer, self.kind.as_pointer()), align=4)

    def store(self, vector: Any, pointer: Any, align: int = 4) -> None:
        """A vector to anywhere; `align`: bytes of an element."""
        self.builder.store(vector, self.builder.bitcast(pointer, vector.type.as_pointer()), align=align)

    def spread(self, number: Any) -> Any:
        """The vector that has one number in each lane."""
        nothing = ir.Constant(self.kind, ir.Undefined)
        first = self.builder.insert_element(nothing, number, ir.Constant(I32, 0))
        return self.builder.shuffle_vector(
            first, nothing, ir.Constant(ir.VectorType(I32, self.lanes), [0] * self.lanes)
        )

    def fma(self, a: Any, b: Any, c: Any) -> Any:
        """a b + c."""
        return self.builder.call(self._fma, [a, b, c])

    def zero(self) -> Any:
        """Of fp32."""
        return ir.Constant(self.kind, [0.0] * self.lanes)

    def bytes_of(self, number: int) -> Any:
        """The vector of bytes that has one number in each lane."""
        return ir.Constant(ir.VectorType(I8, self.lanes), [number] * self.lanes)

    def loop(self, count: Any, values: Sequence[Any], body: Callable[[Any, list[Any]], list[Any]]) -> list[Any]:
        """for i in range(count): values = body(i, values), with the values in registers; what they are at the end."""
        builder = self.builder
        start = builder.basic_block
        head, inside, end = (builder.append_basic_block(name) for name in ("head", "inside", "end"))
        builder.branch(head)
        builder.position_at_end(head)
        index, carried = builder.phi(I64), [builder.phi(value.type) for value in values]
        index.add_incoming(ir.Constant(I64, 0), start)
        for phi, value in zip(carried, values, strict=True):
            phi.add_incoming(value, start)
        builder.cbranch(builder.icmp_signed("<", index, count), inside, end)
        builder.position_at_end(inside)
        made, last = body(index, carried), builder.basic_block
        index.add_incoming(builder.add(index, ir.Constant(I64, 1)), last)
        for phi, value in zip(carried, made, strict=True):
            phi.add_incoming(value, last)
        builder.branch(head)
        builder.position_at_end(end)
        return carried


def constants(shape: Any) -> list[int] | None:
    """The numbers in the type of a tuple of constants; None where it is of other numbers."""
    if not all(isinstance(one, types.IntegerLiteral) for one in shape.types):
        return None
    return [one.literal_value for one in shape.types]


def unpacked(context: Any, builder: Any, kind: Any, value: Any) -> list[Any]:
    """The members of a tuple; of an array the pointer to its first element."""
    members = []
    for place, part in enumerate(kind.types):
        member = builder.extract_value(value, place)
        is_array = isinstance(part, types.Array)
        members.append(context.make_array(part)(context, builder, member).data if is_array else member)
    return members


def keeping_constants(function: Function) -> Function:
    """A function that compiled ones may call, and that still knows constants which it is given: it hands them on to
    intrinsics. (numba's `register_jitable` forgets them.)"""

    @overload(function, prefer_literal=True, strict=False, inline="always")
    def implementation(*args: Any) -> Function:
        return function

    return function


def compiling(options: dict[str, Any]) -> Callable[[Function], Any]:
    """`njit` of a function whose file is called by its real path: numba's cache goes by it, and workers see the package
    through a link of another name."""

    def decorate(function: Function) -> Any:
        code = function.__code__
        function.__code__ = code.replace(co_filename=os.path.realpath(code.co_filename))
        return njit(**options)(function)

    return decorate
