"""A network's answers to what one run shows: what each of its students would ask for, batch by batch."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from hpmkd.data.images import Splits
from hpmkd.plan.job import Job
from hpmkd.training.logits_cache import LogitsCacheBuilder


class ShownAnswersBuilder(LogitsCacheBuilder):
    """Makes them epoch by epoch, in the batches in which students show the images: the same numbers, to the bit.

    Args:
        network: with its weights.
        splits: the data.
        job: whose `seed` and `fit` are those of the students.
        device: where the network computes.
    """

    def __init__(self, network: nn.Module, splits: Splits, job: Job, device: torch.device) -> None:
        super().__init__(network, splits, job.data, job.fit, device)
        self.seed, self.total = job.seed, job.fit.epochs

    def _shown(self, number: int) -> Iterator[tuple[Tensor, Tensor]]:
        """See `LogitsCacheBuilder`: as the epoch of that number shows them."""
        return self.batches.draws(self.seed, number)

    def said(self) -> str:
        """See `LogitsCacheBuilder`."""
        return f"all images as {self.total} epoch{'s' * (self.total > 1)} show{'s' * (self.total == 1)} them"
