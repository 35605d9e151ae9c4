"""How images are normalised for a network."""

from __future__ import annotations

import torch
from torch import Tensor

from hpmkd.config.specs import ModelSpec
from hpmkd.data.images import Splits

Moments = tuple[Tensor, Tensor]


def moments(model: ModelSpec, splits: Splits) -> Moments:
    """Mean and standard deviation `(C,)` of pixels from 0 to 255: those of the images that the network was trained on,
    or those that were given with its weights."""
    return given(model) or (splits.mean, splits.std)


def given(model: ModelSpec) -> Moments | None:
    """Those that were given with a network's weights, if any were."""
    if model.normalisation is None:
        return None
    mean, std = (255 * torch.tensor(values, dtype=torch.float32) for values in model.normalisation)
    return mean, std
