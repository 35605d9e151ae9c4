"""A teacher that is trained already: its weights are looked at, and measured, in place of a training."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch

from hpmkd.data.augment import Normalise
from hpmkd.data.images import Splits
from hpmkd.data.source.images import Images
from hpmkd.errors import DamagedModel
from hpmkd.models import build
from hpmkd.models.kernels import use_kernels
from hpmkd.plan.events import EpochResult
from hpmkd.plan.job import Job
from hpmkd.store.payload import weights_hash
from hpmkd.training.evaluate import answer, to_predictions
from hpmkd.training.moments import moments
from hpmkd.training.within_epoch import Between
from hpmkd.training.work import Product


class GivenTeacher:
    """Work without epochs, see `work.Work`: the network with the weights that were given, asked once.

    Args:
        job: the teacher's.
        splits: of its data set.
        device: where it computes.

    Raises:
        DamagedModel: the copy of the weights in the output is not there, or no longer what it was.
    """

    def __init__(self, job: Job, splits: Splits, device: torch.device) -> None:
        self.job, self.device = job, device
        self.network = build(job.model.untrained, seed=0)
        self.network.load_state_dict(_weights(job))
        self.network = self.network.to(device)
        use_kernels(self.network, job.fit.kernels)
        self.normalise = Normalise(*moments(job.model, splits), device)
        self.validation = splits.validation
        self.epoch, self.total, self.train_seconds = 0, 0, 0.0
        self.steps, self.between = 0, Between()

    @property
    def other_seconds(self) -> Mapping[str, float]:
        """None."""
        return {}

    def epochs(self) -> Iterator[EpochResult]:
        """None: nothing is trained."""
        return iter(())

    def product(self, test: Images) -> Product:
        """The network, and what it answers to validation and test images."""
        precision = self.job.fit.precision
        found, validation = (
            answer(self.network, part.to(self.device), self.normalise, precision) if len(part) else None
            for part in (test, self.validation)
        )
        assert found is not None, "readers refuse a data set without test images"
        made = to_predictions(found, validation)
        metadata: dict[str, Any] = {"given_weights": self.job.model.weights}
        summary = f"given, {made.accuracy_pct:.2f}%"
        if validation is not None:
            metadata["val_accuracy"] = validation.accuracy_pct
            summary += f" ({validation.accuracy_pct:.2f}% on validation)"
        return Product(self.network.state_dict(), made.accuracy_pct, metadata, summary=summary, predictions=made)

    def state_dict(self) -> dict[str, Any]:
        """Nothing: it is done in one go."""
        return {"epoch": 0}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Nothing to continue."""


def _weights(job: Job) -> dict[str, torch.Tensor]:
    path = job.model.weights_file
    try:
        state: dict[str, torch.Tensor] = torch.load(str(path), weights_only=True) if path else {}
    except Exception as error:  # whatever torch raises on bytes that are none of its files
        raise _damaged(job, f"{type(error).__name__}: {next(iter(str(error).splitlines()), '')}") from error
    if not state or weights_hash(state) != job.model.weights:
        raise _damaged(job, "other weights" if state else "no such file")
    return state


def _damaged(job: Job, found: str) -> DamagedModel:
    return DamagedModel(
        f"{job.file_name}: the copy of the weights that were given, {job.model.weights_file}",
        expected=f"the weights with the hash {str(job.model.weights)[:16]}",
        found=found,
        todo="start the sweep again with the same teacher.weights: it copies them anew",
    )
