"""Adaptive average pooling whose gradients are the same bits each time, on a GPU too."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def averaged(maps_NCHW: Tensor, height: int, width: int) -> Tensor:
    """Maps of that height and width, by adaptive average pooling.

    On a GPU as two products of matrices: torch's own backward pass there adds in an order that changes, and where
    deterministic kernels are asked for it has none.
    """
    if maps_NCHW.device.type == "cpu":
        return F.adaptive_avg_pool2d(maps_NCHW, (height, width))
    return averaging(maps_NCHW, height) @ maps_NCHW @ averaging(maps_NCHW.mT, width).mT


def averaging(maps_NCHW: Tensor, rows: int) -> Tensor:
    """The matrix `(rows, H)` that makes `rows` of H rows: row i is the mean of those from floor(i H / rows) to
    ceil((i + 1) H / rows), as `adaptive_avg_pool2d` takes them. It is made on the maps' device, without waiting."""
    given = maps_NCHW.shape[2]
    row = torch.arange(rows, device=maps_NCHW.device)[:, None]
    column = torch.arange(given, device=maps_NCHW.device)
    first, end = row * given // rows, ((row + 1) * given + rows - 1) // rows
    inside = (column >= first) & (column < end)
    return inside.to(maps_NCHW.dtype) / (end - first)
