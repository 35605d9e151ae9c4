"""A student's teachers: networks that run at every step, or caches of their logits."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn

from hpmkd.data.augment import Batch, Normalise, plain_batches
from hpmkd.data.source.images import Images
from hpmkd.methods.base import Taps
from hpmkd.models import ModelOutput
from hpmkd.models.kernels import use_kernels
from hpmkd.training.device import autocast, fp32


class Teacher(Protocol):
    """A parent of the student, without gradients."""

    def begin(self, epoch: int) -> None:
        """An epoch begins, from 0."""

    def outputs(self, batch: Batch, taps: Taps = frozenset()) -> ModelOutput:
        """Logits `(B, K)` in fp32 on a training batch, and what else of `ModelOutput` is asked for."""

    def validation_logits(self, images: Images, normalise: Normalise) -> Tensor:
        """Logits `(N, K)` in fp32 on all validation images; of none, no numbers."""


class LiveTeacher:
    """A trained network in eval mode.

    Args:
        network: with its weights.
        precision: of its forward pass, `fp32` or `bf16`.
        device: where it computes.
        kernels: of a LeNet5, see `fit.kernels`.
    """

    def __init__(self, network: nn.Module, precision: str, device: torch.device, kernels: str = "torch") -> None:
        use_kernels(network, kernels)
        self.network = network.to(device).eval().requires_grad_(False)
        self.precision, self.device = precision, device

    def begin(self, epoch: int) -> None:
        """See `Teacher`; it is asked anew each time."""

    @torch.no_grad()
    def outputs(self, batch: Batch, taps: Taps = frozenset()) -> ModelOutput:
        """See `Teacher`."""
        with autocast(self.precision, self.device):
            return fp32(self.network(batch.images, **dict.fromkeys(taps, True)))

    @torch.no_grad()
    def validation_logits(self, images: Images, normalise: Normalise) -> Tensor:
        """See `Teacher`."""
        if not len(images):
            return torch.empty(0, device=self.device)  # which goes with any number of classes
        with autocast(self.precision, self.device):
            return torch.cat([self.network(part).logits.float() for part, _ in plain_batches(images, normalise)])


class CachedTeacher:
    """A logits cache as `logits_cache.LogitsCacheBuilder` makes it: views x training images, then validation images.

    Args:
        path: the `.npy` file, verified before. It is mapped into memory, so trials share what they have read.
        images: training images.
        device: where the logits are wanted; on a GPU the whole cache is put there.
    """

    def __init__(self, path: Path, images: int, device: torch.device) -> None:
        # "c": pages are shared and read on demand, and torch does not warn of an array that cannot be written.
        rows = torch.from_numpy(np.load(path, mmap_mode="c"))
        self.rows, self.images = (rows if device.type == "cpu" else rows.to(device)), images
        self.views = len(rows) // images

    def begin(self, epoch: int) -> None:
        """See `Teacher`; a view is the same in all epochs."""

    def outputs(self, batch: Batch, taps: Taps = frozenset()) -> ModelOutput:
        """See `Teacher`; a logits cache has nothing else."""
        assert not taps, "the plan gives no logits cache to a loss that needs more"
        return ModelOutput(self.rows[batch.view * self.images + batch.which])

    def validation_logits(self, images: Images, normalise: Normalise) -> Tensor:
        """See `Teacher`."""
        return self.rows[len(self.rows) - len(images) :].clone()


class ShownTeacher(CachedTeacher):
    """A network's answers to what one run shows, as `shown_answers.ShownAnswersBuilder` makes them: epochs x training
    images, then validation images. In an epoch each image is shown once, so a row is (epoch, image)."""

    def __init__(self, path: Path, images: int, device: torch.device) -> None:
        super().__init__(path, images, device)
        self.first = torch.zeros((), dtype=torch.int64, device=device)  # row of the epoch; recorded steps read it

    def begin(self, epoch: int) -> None:
        """See `Teacher`."""
        self.first.fill_(epoch * self.images)

    def outputs(self, batch: Batch, taps: Taps = frozenset()) -> ModelOutput:
        """See `Teacher`; there are logits alone."""
        assert not taps, "the plan gives no answers to a loss that needs more"
        return ModelOutput(self.rows[self.first + batch.which])
