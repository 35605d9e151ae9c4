"""A cache: a network's logits on every view of every training image, and on the validation images.

They depend on nothing but the network, the image and the view, so a student that needs no more can look them up
instead of asking the network again at every step: same numbers, made once for all students.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from hpmkd.config.specs import DataSpec, FitSpec
from hpmkd.data.augment import Normalise, TrainBatches
from hpmkd.data.images import Splits
from hpmkd.data.source.images import Images
from hpmkd.plan.events import EpochResult
from hpmkd.training.teachers import LiveTeacher
from hpmkd.training.within_epoch import Between, position, read_position
from hpmkd.training.work import Product


class LogitsCacheBuilder:
    """Makes a logits cache in units that can be interrupted between: one view of all training images.

    It is driven like a `Training`: `epochs()` yields after each unit, `state_dict` holds everything.

    Args:
        network: with its weights.
        splits: the data; the test part is not touched.
        data: says which views there are.
        fit: `batch_size`, `precision`, `views`, `kernels`.
        device: where the network computes.
    """

    def __init__(self, network: nn.Module, splits: Splits, data: DataSpec, fit: FitSpec, device: torch.device) -> None:
        self.teacher, self.device = LiveTeacher(network, fit.precision, device, fit.kernels), device
        self.normalise = Normalise(splits.mean, splits.std, device)
        train = splits.train.to(device)
        self.batches = TrainBatches(
            train, self.normalise, augment=data.augment, batch_size=fit.batch_size, views=fit.views
        )
        self.validation, self.total = splits.validation.to(device), self.batches.views
        self.epoch, self.train_seconds = 0, 0.0
        self.steps, self.between = 0, Between()  # batches of the next unit that are done; what is done between them
        self.parts: list[Tensor] = []
        self._found: Tensor | None = None  # of the unit that is under way

    def epochs(self) -> Iterator[EpochResult]:
        """Works off the views that are left; the accuracy is the network's on validation images."""
        while self.epoch < self.total:
            self.between.begin()
            if self.epoch == self.steps == 0:
                self.parts = [self.teacher.validation_logits(self.validation, self.normalise).cpu()]
            self.parts.insert(-1, self._unit(self.epoch))
            self.epoch += 1
            self.train_seconds += self.between.lap()
            yield EpochResult(
                self.epoch,
                math.nan,
                terms={},
                validation_accuracy_pct=self.validation_pct(),
                lr=math.nan,
                train_seconds=self.train_seconds,
                of=self.total,
            )

    def _unit(self, number: int) -> Tensor:
        """The logits `(N, K)` of all training images in a unit's views, in the order of the images."""
        done, count = self.steps, len(self.batches.bounds())
        for batch, (index, view) in enumerate(self._shown(number)):
            if batch < done:
                continue
            logits = self.teacher.outputs(self.batches.take(index, view)).logits
            if self._found is None:
                self._found = logits.new_empty(len(self.batches.labels), logits.shape[1])
            self._found[index] = logits
            self.steps = batch + 1
            if self.between.act is not None and self.steps < count:
                self.train_seconds += self.between.lap()
                self.between()
        assert self._found is not None, "there are training images"
        found, self._found, self.steps = self._found.cpu(), None, 0
        return found

    def _shown(self, number: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Which images in which views each batch of a unit is: here all of them in the view of that number."""
        for start, end in self.batches.bounds():
            index = torch.arange(start, end, device=self.device)
            yield index, torch.full_like(index, number)

    def validation_pct(self) -> float:
        """Accuracy of the network on validation images, in percent; where none are held out, on the newest view."""
        held_out = len(self.validation) > 0
        labels, logits = (self.validation.labels, self.parts[-1]) if held_out else (self.batches.labels, self.parts[-2])
        return 100 * int((logits.argmax(1) == labels.cpu()).sum()) / len(labels)

    def content(self) -> Tensor:
        """What its file holds: fp32 `(views * N + N_validation, K)`, row `view * N + image`."""
        return torch.cat(self.parts)

    @property
    def other_seconds(self) -> dict[str, float]:
        """See `work.Work`."""
        return {"report": self.between.seconds}

    def product(self, test: Images) -> Product:
        """The logits; the test images are not looked at."""
        accuracy = self.validation_pct()
        text = self.said()
        where = "validation" if len(self.validation) else "training images"
        return Product(self.content(), accuracy, summary=f"{text} ({accuracy:.2f}% on {where})")

    def said(self) -> str:
        """What it holds, for people."""
        return f"{self.total} view{'s' * (self.total > 1)} of each image"

    def state_dict(self) -> dict[str, Any]:
        """Everything that is done."""
        where = position(self.epoch, self.steps, lambda: {"found": self._found})
        return {**where, "train_seconds": self.train_seconds, "parts": self.parts}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continues from a `state_dict`."""
        self.epoch, self.steps, within = read_position(state)
        self.train_seconds = float(state["train_seconds"])
        self._found = within["found"].to(self.device).clone() if self.steps else None
        self.parts = [part.cpu() for part in state["parts"]]
