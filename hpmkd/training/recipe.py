"""The recipe of a training: everything except its networks and images."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from hpmkd.config.specs import FitSpec


@dataclass(frozen=True)
class Recipe:
    """How one model is trained.

    Args:
        fit: epochs, optimiser, precision and the like.
        augment: `none`, `crop` or `crop_flip`, see `TrainBatches`.
        seed: of order and augmentation.
        device: where everything is put.
        graph: on a GPU, record training steps as CUDA graphs.
    """

    fit: FitSpec
    augment: str
    seed: int
    device: torch.device
    graph: bool = True
