"""One step of the training: a batch, its losses, their gradients, the optimiser."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hpmkd.data.augment import Batch, TrainBatches, mix, soft_labels
from hpmkd.methods.base import Distiller, one_by_one
from hpmkd.training.device import autocast, fp32, needs_scaling
from hpmkd.training.recipe import Recipe
from hpmkd.training.teachers import Teacher


class Step:
    """Trains on one batch after the other, and keeps the sums of the loss terms.

    Args:
        model: the student, on its device.
        distiller: the loss, there too.
        teachers: the parents.
        batches: where images and labels come from.
        optimizer: of student and distiller.
        recipe: of its `fit` precision, label smoothing and mixup; and the device of all of them.
    """

    def __init__(
        self,
        model: nn.Module,
        distiller: Distiller,
        teachers: Sequence[Teacher],
        batches: TrainBatches,
        optimizer: torch.optim.Optimizer,
        recipe: Recipe,
    ) -> None:
        self.model, self.distiller, self.teachers, self.batches = model, distiller, teachers, batches
        self.optimizer, self.recipe, self.fit, self.device = optimizer, recipe, recipe.fit, recipe.device
        scaled = needs_scaling(self.fit.precision, self.device)
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=scaled)
        self.sums: dict[str, Tensor] = {}

    @property
    def description(self) -> str:
        """How steps are done, for a model's metadata."""
        return "one by one"

    def begin(self) -> None:
        """An epoch begins."""
        self.sums.clear()

    def repeat(self, work: Callable[[], None], times: int) -> None:
        """Does other work of the training so many times; see `methods.base.Repeat`."""
        one_by_one(work, times)

    def means(self, images: int) -> dict[str, float]:
        """Each term's mean over `images` images; here a GPU is waited for, once for all of them."""
        totals = torch.stack(list(self.sums.values())).tolist()
        return {name: total / images for name, total in zip(self.sums, totals, strict=True)}

    def __call__(self, index: Tensor, view: Tensor, weight: float, progress: float) -> None:
        """One step.

        Args:
            index: which training images `(B,)`.
            view: in which view each `(B,)`.
            weight: of mixup, lambda.
            progress: how much of the training is done, in [0, 1).
        """
        self.run(index, view, weight=weight, progress=progress, taught=self.distiller.taught(progress))

    def run(self, index: Tensor, view: Tensor, weight: float | Tensor, progress: float | Tensor, taught: bool) -> None:
        """The work of a step; everything that is read of `weight` and `progress` may be a scalar on the device."""
        batch = self._soften(self.batches.take(index, view), weight)
        terms = self._terms(batch, progress, taught)
        self.optimizer.zero_grad(set_to_none=True)
        self.scaler.scale(torch.stack(list(terms.values())).sum()).backward()  # type: ignore[no-untyped-call]
        self.scaler.step(self.optimizer)
        self.scaler.update()
        for name, term in terms.items():
            # Summed on the device: reading a number here would make the GPU wait at every step.
            self._add(name, term.detach() * len(index))

    def _add(self, name: str, value: Tensor) -> None:
        if name in self.sums:
            self.sums[name].add_(value)
        else:
            self.sums[name] = value.clone()

    def _soften(self, batch: Batch, weight: float | Tensor) -> Batch:
        """The batch with label smoothing and mixup, whose labels are probabilities `(B, K)`; as it is without both."""
        if not (self.fit.label_smoothing or self.fit.mixup):
            return batch
        labels = soft_labels(batch.labels, self.distiller.student.classes, self.fit.label_smoothing)
        images, labels = mix(batch.images, labels, weight) if self.fit.mixup else (batch.images, labels)
        return batch._replace(images=images, labels=labels)

    def _terms(self, batch: Batch, progress: float | Tensor, taught: bool) -> dict[str, Tensor]:
        taps = self.distiller.needs if taught else frozenset()
        known = [teacher.outputs(batch, taps) for teacher in self.teachers] if taught else []
        with autocast(self.fit.precision, self.device):
            student = fp32(self.model(batch.images, **dict.fromkeys(taps, True)))
            known += [fp32(peer(batch.images, **dict.fromkeys(taps, True))) for peer in self.distiller.peers]
        if taught:
            self.distiller.which = batch.which
            return self.distiller.loss(student, known, batch.labels, progress)
        return {"ce": F.cross_entropy(student.logits, batch.labels)}
