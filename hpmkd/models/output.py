"""What every network returns."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor


class ModelOutput(NamedTuple):
    """Logits `(N, K)`, and what else was asked for.

    Args:
        logits: `(N, K)`.
        features: the feature maps `(N, C, H, W)` of each stage as the next layer is given them: after the ReLU, where
            the family has one there.
        embedding: `(N, D)`: what the last linear layer is given (LeNet5: `fc1` after its ReLU; others: pooled maps).
        pre_activations: of each stage the values that the ReLU is given whose output `features` holds, or, in families
            that have it later or not at all, those that Heo et al. 2019 (OFD, section 3.2) take in their place.
        last_maps: `(N, D, H, W)`, whose mean over positions is the embedding. LeNet5's is no mean: there it is the
            embedding itself, `(N, D, 1, 1)`.
    """

    logits: Tensor
    features: tuple[Tensor, ...] = ()
    embedding: Tensor | None = None
    pre_activations: tuple[Tensor, ...] = ()
    last_maps: Tensor | None = None
