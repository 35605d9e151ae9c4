"""The one training loop, for every method, and evaluation."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from hpmkd.data.augment import Normalise, TrainBatches, plain_batches
from hpmkd.data.images import Images, Splits
from hpmkd.errors import Diverged
from hpmkd.methods.base import Distiller
from hpmkd.models import Output
from hpmkd.specs import FitSpec


@dataclass(frozen=True)
class EpochResult:
    """One finished epoch of `of`: `epoch` counts from 1, `terms` are the loss terms' means over the images."""

    epoch: int
    train_loss: float
    terms: dict[str, float]
    validation_accuracy_pct: float
    lr: float
    train_seconds: float
    of: int


def learning_rate(fit: FitSpec, epoch: int) -> float:
    """The rate in epoch 0, 1, ...; a function of the epoch alone, so a resumed run needs no scheduler state."""
    if fit.schedule == "cosine":
        return 0.5 * fit.lr * (1 + math.cos(math.pi * epoch / fit.epochs))
    if fit.schedule == "step":
        passed = sum(epoch >= round(part * fit.epochs) for part in fit.milestones)
        return float(fit.lr * fit.gamma**passed)
    return fit.lr


def _trained(parameter: nn.Parameter) -> bool:
    return parameter.requires_grad


def _optimizer(fit: FitSpec, parameters: list[nn.Parameter]) -> torch.optim.Optimizer:
    if fit.optimizer == "sgd":
        return torch.optim.SGD(
            parameters, fit.lr, fit.momentum, weight_decay=fit.weight_decay, nesterov=fit.momentum > 0, foreach=True
        )
    return torch.optim.Adam(parameters, fit.lr, weight_decay=fit.weight_decay, foreach=True)


def _autocast(precision: str, device: torch.device) -> AbstractContextManager[Any]:
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=precision == "bf16")


def _fp32(output: Output) -> Output:
    """Losses are computed in fp32 whatever the network's precision was."""
    return Output(output.logits.float(), tuple(feature.float() for feature in output.features))


class Training:
    """A model in training: everything that an epoch checkpoint must hold is here.

    Args:
        model: the student (or the teacher that is being trained).
        distiller: the loss, with its helper modules.
        teachers: the parents, already trained.
        splits: the data; the test part is not touched.
        augment: see `TrainBatches`.
        fit: the recipe.
        seed: of order and augmentation.
        device: where everything is put.
    """

    def __init__(
        self,
        model: nn.Module,
        distiller: Distiller,
        teachers: Sequence[nn.Module],
        splits: Splits,
        augment: str,
        fit: FitSpec,
        seed: int,
        device: torch.device,
    ) -> None:
        self.model, self.distiller = model.to(device), distiller.to(device)
        self.teachers = [teacher.to(device).eval().requires_grad_(False) for teacher in teachers]
        self.fit, self.seed, self.device = fit, seed, device
        self.normalise = Normalise(splits.mean, splits.std, device)
        self.batches = TrainBatches(splits.train.to(device), self.normalise, augment, fit.batch_size)
        self.validation = splits.validation.to(device)
        self.optimizer = _optimizer(fit, [*self.model.parameters(), *filter(_trained, self.distiller.parameters())])
        self.epoch, self.train_seconds, self.total = 0, 0.0, fit.epochs

    def epochs(self) -> Iterator[EpochResult]:
        """Trains epoch by epoch, from where it stands to the end of the recipe.

        Raises:
            Diverged: the loss of an epoch is not finite.
        """
        while self.epoch < self.fit.epochs:
            start = time.monotonic()
            if self.epoch == 0 and self.distiller.needs_validation:
                self._prepare()
            lr = learning_rate(self.fit, self.epoch)
            for group in self.optimizer.param_groups:
                group["lr"] = lr
            terms = self._train_epoch()
            loss = sum(terms.values())
            if not math.isfinite(loss):
                raise Diverged(f"epoch {self.epoch + 1}: the training loss is {loss}", todo="try a smaller fit.lr")
            accuracy = evaluate(self.model, self.validation, self.normalise, self.fit.precision)
            self.epoch += 1
            self.train_seconds += time.monotonic() - start
            yield EpochResult(self.epoch, loss, terms, accuracy, lr, self.train_seconds, self.total)

    def _prepare(self) -> None:
        """Shows the teachers' logits on validation images to the distiller."""
        parts: list[list[Tensor]] = [[] for _ in self.teachers]
        with torch.no_grad(), _autocast(self.fit.precision, self.device):
            for images, _ in plain_batches(self.validation, self.normalise):
                for teacher, part in zip(self.teachers, parts, strict=True):
                    part.append(teacher(images).logits.float())
        self.distiller.prepare([torch.cat(part) for part in parts], self.validation.labels)

    def _train_epoch(self) -> dict[str, float]:
        self.model.train()
        self.distiller.train()
        sums: dict[str, Tensor] = {}
        batches = self.batches.bounds()
        for step, (images, target) in enumerate(self.batches.epoch(self.seed, self.epoch)):
            progress = (self.epoch + step / len(batches)) / self.fit.epochs
            for name, term in self._step(images, target, progress).items():
                # Summed on the device: reading a number here would make the GPU wait at every step.
                sums[name] = sums.get(name, 0) + term.detach() * len(target)
        return {name: float(total) / len(self.batches.labels) for name, total in sums.items()}

    def _step(self, images: Tensor, target: Tensor, progress: float) -> dict[str, Tensor]:
        taps = self.distiller.needs_features
        with _autocast(self.fit.precision, self.device):
            with torch.no_grad():
                known = [_fp32(teacher(images, features=taps)) for teacher in self.teachers]
            student = _fp32(self.model(images, features=taps))
        terms = self.distiller.loss(student, known, target, progress)
        self.optimizer.zero_grad(set_to_none=True)
        torch.stack(list(terms.values())).sum().backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        return terms

    def state_dict(self) -> dict[str, Any]:
        """Everything that the rest of the training depends on, helper modules included."""
        return {
            "epoch": self.epoch,
            "train_seconds": self.train_seconds,
            "model": self.model.state_dict(),
            "distiller": self.distiller.state_dict(),
            "optimizer": self.optimizer.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Goes on from a `state_dict`, bit for bit as if it had never stopped."""
        self.model.load_state_dict(state["model"])
        self.distiller.load_state_dict(state["distiller"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.epoch, self.train_seconds = int(state["epoch"]), float(state["train_seconds"])


@torch.no_grad()
def evaluate(model: nn.Module, images: Images, normalise: Normalise, precision: str = "fp32") -> float:
    """Accuracy in percent of `model` in eval mode; the model is left in the mode it was in."""
    was_training, device = model.training, images.labels.device
    model.eval()
    correct = torch.zeros((), dtype=torch.int64, device=device)
    with _autocast(precision, device):
        for batch, labels in plain_batches(images, normalise):
            correct += (model(batch).logits.argmax(1) == labels).sum()
    model.train(was_training)
    return 100 * int(correct) / len(images)
