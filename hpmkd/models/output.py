"""What every network returns."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor


class ModelOutput(NamedTuple):
    """Logits `(N, K)`, and where asked for the feature maps `(N, C, H, W)` after each conv stage's ReLU."""

    logits: Tensor
    features: tuple[Tensor, ...] = ()
