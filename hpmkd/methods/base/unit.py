"""Directions, which what has no length has not."""

from __future__ import annotations

import torch
from torch import Tensor


def unit(values: Tensor, dim: int) -> Tensor:
    """Values over their Euclidean length along `dim`; 0 where that is 0, and then without a gradient.

    `F.normalize` divides by 1e-12 there, and so does its gradient: one image for which a student has no active unit
    would move its weights by twelve orders of magnitude too much.
    """
    squares = values.square().sum(dim, keepdim=True)
    none = squares < torch.finfo(values.dtype).tiny
    over_length = torch.where(none, 1.0, squares).rsqrt()
    return values * torch.where(none, 0.0, over_length)
