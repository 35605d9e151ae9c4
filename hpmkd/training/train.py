"""The one training loop, for every method."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from hpmkd.data.augment import Normalise, TrainBatches, mix_weights
from hpmkd.data.images import Splits
from hpmkd.data.source.images import Images
from hpmkd.errors import Diverged
from hpmkd.methods.base import Distiller
from hpmkd.models.kernels import use_kernels
from hpmkd.models.reused import Reused
from hpmkd.plan.events import EpochResult
from hpmkd.plan.work import validation_period
from hpmkd.training.cuda_graph import GraphedStep
from hpmkd.training.device import needs_scaling
from hpmkd.training.evaluate import Answers, answer, evaluate, to_predictions
from hpmkd.training.optim import learning_rate, load_optimizer, make_optimizer, set_learning_rate
from hpmkd.training.recipe import Recipe
from hpmkd.training.step import Step
from hpmkd.training.teachers import LiveTeacher, Teacher
from hpmkd.training.within_epoch import Between, position, random_states, read_position, set_random_states
from hpmkd.training.work import Product


class Training:
    """A model in training: everything that a checkpoint must hold is here.

    Args:
        model: the student (or the teacher that is being trained).
        distiller: the loss, with its helper modules.
        teachers: the parents, already trained: networks, or teachers that are no networks.
        splits: the data; the test part is not touched, unless no image is held out for validation.
        recipe: how, how long, and where.
    """

    random: list[torch.Tensor]  # states of generators where a training continues within an epoch

    def __init__(
        self,
        model: nn.Module,
        distiller: Distiller,
        teachers: Sequence[nn.Module | Teacher],
        splits: Splits,
        recipe: Recipe,
    ) -> None:
        fit, device = recipe.fit, recipe.device
        if isinstance(model, Reused):
            assert isinstance(teachers[0], nn.Module), "the plan gives it a network, whose maps it needs"
            model.take_classifier(teachers[0])
        self.model, self.distiller = model.to(device), distiller.to(device)
        self.teachers: list[Teacher] = [
            LiveTeacher(one, fit.precision, device, fit.kernels) if isinstance(one, nn.Module) else one
            for one in teachers
        ]
        for module in (self.model, self.distiller):
            use_kernels(module, fit.kernels)
        self.fit, self.seed, self.device = fit, recipe.seed, device
        self.normalise = Normalise(splits.mean, splits.std, device)
        self.batches = TrainBatches(
            splits.train.to(device), self.normalise, recipe.augment, fit.batch_size, views=fit.views
        )
        self.validation = splits.validation.to(device)
        self.test = None if len(splits.validation) else splits.test.to(device)
        self.tested: list[float] = []  # accuracy on it after each epoch, percent
        self.distiller.meet(self.batches.labels)
        self.period = validation_period(len(splits.train), len(splits.validation))
        self.optimizer = make_optimizer(fit, device, self.model, self.distiller)
        kind = GraphedStep if _can_record(recipe, distiller) else Step
        self.step = kind(
            self.model, self.distiller, self.teachers, self.batches, optimizer=self.optimizer, recipe=recipe
        )
        self.epoch, self.train_seconds, self.total = 0, 0.0, fit.epochs
        self.steps, self.between = 0, Between()  # steps of the next epoch that are done; what is done between them
        self.prepare_seconds = 0.0  # of `train_seconds`: spent on helper modules before the first step
        self.prepared: dict[str, Any] = {}  # what the distiller says of its helper modules, for the file
        self.validate_seconds = 0.0  # of this attempt's
        self.last_validation: Answers | None = None  # after the last epoch

    def epochs(self, until: int | None = None) -> Iterator[EpochResult]:
        """Trains epoch by epoch, from where it stands to epoch `until` or to the end of the recipe.

        The last epoch is always validated, of the others every `period`-th.

        Raises:
            Diverged: the loss of an epoch is not finite.
        """
        end = self.fit.epochs if until is None else until
        while self.epoch < end:
            self.between.begin()
            if self.epoch == self.steps == 0 and self.distiller.needs_validation:
                self._prepare()
            lr = learning_rate(self.fit, self.epoch)
            set_learning_rate(self.optimizer, lr)
            terms = self._train_epoch()
            loss = sum(terms.values())
            if not math.isfinite(loss):
                raise Diverged(f"epoch {self.epoch + 1}: the training loss is {loss}", todo="try a smaller fit.lr")
            self.epoch += 1
            accuracy = math.nan
            if self.test is not None or self.epoch == end or self.epoch % self.period == 0:
                look = time.monotonic()
                accuracy = self._validate()
                self.validate_seconds += time.monotonic() - look
            self.train_seconds += self.between.lap()
            yield EpochResult(
                self.epoch,
                loss,
                terms=terms,
                validation_accuracy_pct=accuracy,
                lr=lr,
                train_seconds=self.train_seconds,
                of=self.total,
            )

    def _validate(self) -> float:
        """Accuracy on validation images, in percent; after the last epoch the answers are kept.

        Where there are none it is not known, and the accuracy on test images is noted down.
        """
        if self.test is not None:
            self.tested.append(evaluate(self.model, self.test, self.normalise, self.fit.precision))
            return math.nan
        if self.epoch < self.total:
            return evaluate(self.model, self.validation, self.normalise, self.fit.precision)
        self.last_validation = answer(self.model, self.validation, self.normalise, self.fit.precision)
        return self.last_validation.accuracy_pct

    def _prepare(self) -> None:
        """Shows the teachers' logits on validation images to the distiller."""
        start = time.monotonic()
        logits = [teacher.validation_logits(self.validation, self.normalise) for teacher in self.teachers]
        self.distiller.prepare(logits, self.validation.labels, self.step.repeat)
        self.prepared = self.distiller.prepared(logits, self.validation.labels)
        self.prepare_seconds = time.monotonic() - start

    def _train_epoch(self) -> dict[str, float]:
        self.model.train()
        self.distiller.train()
        done = self.steps
        if not done:
            self.step.begin()
        for teacher in self.teachers:
            teacher.begin(self.epoch)
        # Dropout and the like of a user's own network: a function of the epoch, so that it can be continued.
        torch.manual_seed(int(np.random.SeedSequence([self.seed, self.epoch]).generate_state(1, np.uint64)[0]) >> 1)
        if done:
            set_random_states(self.random, self.device)
        steps = len(self.batches.bounds())
        weights = mix_weights(self.seed, self.epoch, steps, self.fit.mixup) if self.fit.mixup else [1.0] * steps
        for number, (index, view) in enumerate(self.batches.draws(self.seed, self.epoch)):
            if number < done:
                continue
            self.step(index, view, weights[number], (self.epoch + number / steps) / self.fit.epochs)
            self.steps = number + 1
            if self.between.act is not None and self.steps < steps:
                self.train_seconds += self.between.lap()
                self.between()
        self.steps = 0
        if self.epoch + 1 < self.fit.epochs:
            self.batches.draw_ahead(self.seed, self.epoch + 1)
        return self.step.means(len(self.batches.labels))

    @property
    def other_seconds(self) -> dict[str, float]:
        """See `work.Work`: helper modules, validation, and checkpoints within an epoch."""
        return {
            "prepare": self.prepare_seconds, "validate": self.validate_seconds, "report": self.between.seconds
        }  # fmt: skip

    def product(self, test: Images) -> Product:
        """The network, after its only look at the test images, or the last of a look after each epoch."""
        found = answer(self.model, test.to(self.device), self.normalise, self.fit.precision)
        made = to_predictions(found, self.last_validation)
        metadata = {"prepare_seconds": self.prepare_seconds, "steps": self.step.description, **self.prepared}
        return Product(self.model.state_dict(), made.accuracy_pct, {**metadata, **self._best()}, predictions=made)

    def _best(self) -> dict[str, Any]:
        """The best test accuracy of any epoch, the first of equal ones: chosen by test images, so it is too high."""
        if not self.tested:
            return {}
        best = max(self.tested)
        about = {"best_test_accuracy_pct": best, "best_test_epoch": self.tested.index(best) + 1}
        return {**about, "test_accuracies_pct": list(self.tested)}

    def state_dict(self) -> dict[str, Any]:
        """Everything that the rest of the training depends on, helper modules included."""
        return {
            **position(self.epoch, self.steps, self._within),
            "train_seconds": self.train_seconds,
            "prepare_seconds": self.prepare_seconds,
            "prepared": self.prepared,
            "tested": list(self.tested),
            "model": self.model.state_dict(),
            "distiller": self.distiller.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.step.scaler.state_dict(),
        }

    def _within(self) -> dict[str, Any]:
        return {"sums": dict(self.step.sums), "random": random_states(self.device)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continues from a `state_dict`, bit for bit as if it had never stopped."""
        self.epoch, self.steps, within = read_position(state)
        self.step.sums = {name: one.to(self.device).clone() for name, one in within.get("sums", {}).items()}
        self.random = list(within.get("random", []))
        self.model.load_state_dict(state["model"])
        self.distiller.load_state_dict(state["distiller"])
        load_optimizer(self.optimizer, state["optimizer"])
        if state.get("scaler"):  # empty where gradients were not scaled
            self.step.scaler.load_state_dict(state["scaler"])
        self.train_seconds = float(state["train_seconds"])
        self.prepare_seconds = float(state.get("prepare_seconds", 0.0))
        self.prepared = dict(state.get("prepared", {}))
        self.tested = [float(one) for one in state.get("tested", [])]


def _can_record(recipe: Recipe, distiller: Distiller) -> bool:
    """Whether steps may be recorded as CUDA graphs; scaled gradients ask the GPU after each step."""
    on_gpu = recipe.graph and recipe.device.type == "cuda"
    return on_gpu and distiller.recordable and not needs_scaling(recipe.fit.precision, recipe.device)
