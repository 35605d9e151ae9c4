"""What every network returns."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor


class ModelOutput(NamedTuple):
    """Logits `(N, K)`, and where asked for the feature maps `(N, C, H, W)` after each conv stage's ReLU, and the
    embedding `(N, D)`: what the last linear layer is given (LeNet5: `fc1` after its ReLU; ResNets: the pooled maps)."""

    logits: Tensor
    features: tuple[Tensor, ...] = ()
    embedding: Tensor | None = None
