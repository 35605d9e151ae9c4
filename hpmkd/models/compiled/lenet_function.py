"""The compiled kernels as a function that torch differentiates."""

from __future__ import annotations

import functools
import threading
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from hpmkd.models.compiled.processor import VectorSetting, need_kernels
from hpmkd.models.compiled.shapes import Shape


@functools.cache
def _compiled(shape: Shape, setting: VectorSetting) -> tuple[Any, Any]:
    from numba import types

    from hpmkd.models.compiled.disk_cache import through_cache
    from hpmkd.models.compiled.lenet_kernels import backward_kernel, forward_kernel

    numbers, rows, chosen = types.float32[::1], types.float32[:, ::1], types.uint8[:, ::1]

    def make(options: dict[str, Any]) -> tuple[Any, Any]:
        forward, backward = forward_kernel(shape, setting, options), backward_kernel(shape, setting, options)
        weights, places = types.UniTuple(numbers, 4), types.Tuple((rows, rows, chosen, chosen))
        forward.compile((rows, weights, places))
        backward.compile((rows, places, numbers, weights))
        return forward, backward

    made: tuple[Any, Any] = through_cache(f"{shape} {setting}", make)
    return made


_LOCK = threading.Lock()  # trials are threads: two of them must not compile the same


def kernels(shape: Shape, setting: VectorSetting) -> tuple[Any, Any]:
    """Forward and backward, from memory, from the disk, or compiled now, which takes seconds."""
    with _LOCK:
        return _compiled(shape, setting)


class ConvolutionalPart(torch.autograd.Function):
    """Images `(N, C, S, S)`, filters and biases of both layers -> `(N, O2 P2 P2)`, in the order of `torch.flatten`.

    All fp32 on the CPU. There is no gradient of the images, and no second derivative.
    """

    @staticmethod
    def forward(ctx: Any, setting: VectorSetting, images: Tensor, *weights: Tensor) -> Tensor:
        """See above; `weights`: filters and biases of the first and of the second layer."""
        filters1, biases1, filters2, biases2 = weights
        shape = Shape(images.shape[1], images.shape[2], len(biases1), len(biases2))
        count, windows1, windows2 = len(images), shape.side1**2 * shape.first, shape.side2**2 * shape.second
        pixels, flat1, flat2 = _in_nhwc(images), _in_nhwc(filters1).view(-1), _in_nhwc(filters2).view(-1)
        made, maps = torch.empty(count, windows2), torch.empty(count, windows1)
        places1, places2 = (torch.empty(count, many, dtype=torch.uint8) for many in (windows1, windows2))
        forward, _ = kernels(shape, setting)
        (images_array,) = _arrays(pixels)
        forward(images_array, _arrays(flat1, biases1, flat2, biases2), _arrays(made, maps, places1, places2))
        ctx.save_for_backward(pixels, flat2, maps, places1, places2)
        ctx.shape, ctx.setting = shape, setting
        return made

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        """Of filters and biases."""
        shape: Shape = ctx.shape
        filters1 = torch.empty(shape.first, 5, 5, shape.channels)
        filters2 = torch.empty(shape.second, 5, 5, shape.first)
        biases1, biases2 = torch.empty(shape.first), torch.empty(shape.second)
        _, backward = kernels(shape, ctx.setting)
        pixels, flat2, maps, places1, places2 = ctx.saved_tensors
        given, weights = _arrays(gradient, flat2)
        made = _arrays(filters1.view(-1), biases1, filters2.view(-1), biases2)
        backward(given, _arrays(pixels, maps, places1, places2), weights, made)
        return None, None, filters1.permute(0, 3, 1, 2), biases1, filters2.permute(0, 3, 1, 2), biases2


def convolutional_part(images: Tensor, *weights: Tensor, setting: VectorSetting | None = None) -> Tensor:
    """See `ConvolutionalPart`; `setting`: None: that of this processor."""
    made: Tensor = ConvolutionalPart.apply(setting or _setting(), images, *weights)
    return made


_setting = functools.cache(need_kernels)


def _in_nhwc(tensor: Tensor) -> Tensor:
    """`(N, C, H, W)`, whose channels are the fastest as a rule -> `(N, H W C)`."""
    return tensor.permute(0, 2, 3, 1).reshape(len(tensor), -1)


def _arrays(*tensors: Tensor) -> tuple[Any, ...]:
    return tuple(tensor.detach().contiguous().numpy() for tensor in tensors)
