"""A network's answers to what one run shows: what each of its students would ask for, batch by batch."""

from __future__ import annotations

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

    def _unit(self, epoch: int) -> Tensor:
        """The logits `(N, K)` of all training images as that epoch shows them, in the order of the images."""
        found: Tensor | None = None
        for index, view in self.batches.draws(self.seed, epoch):
            logits = self.teacher.outputs(self.batches.take(index, view)).logits
            if found is None:
                found = logits.new_empty(len(self.batches.labels), logits.shape[1])
            found[index] = logits
        assert found is not None, "there are training images"
        return found.cpu()

    def said(self) -> str:
        """See `LogitsCacheBuilder`."""
        return f"all images as {self.total} epoch{'s' * (self.total > 1)} show{'s' * (self.total == 1)} them"
