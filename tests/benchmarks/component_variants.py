"""The variants of `components.py`, and how a student is trained with one."""

from __future__ import annotations

import argparse
import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from component_conditions import CONDITIONS, CPU, Known, Setting
from torch import Tensor
from torch.nn import functional as F

from hpmkd.config.specs import ModelSpec
from hpmkd.data.augment import Batch, Normalise
from hpmkd.methods.base import Distiller, soft_terms, standardised
from hpmkd.methods.build import build_distiller
from hpmkd.methods.multi_teacher.mixture import Attention, log_mixture
from hpmkd.models import ModelOutput, build
from hpmkd.plan.job import seed_of
from hpmkd.training.recipe import Recipe
from hpmkd.training.train import Training

ONE, TWO = ("first",), ("first", "second")


def parser_of(doc: str | None) -> argparse.ArgumentParser:
    """The arguments that say in which condition, and where images and results lie."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("condition", choices=CONDITIONS)
    parser.add_argument("--data-dir", help="folder of MNIST")
    parser.add_argument("--folder", help="CIFAR-10 as a folder of your own images")
    parser.add_argument("--work", type=Path, default=Path("components"))
    return parser


class Variant(NamedTuple):
    """How a student is trained: by whom, and what is other than in KD."""

    teachers: tuple[str, ...] = ONE
    temperature: float = 4.0
    alpha: float = 0.9
    lr: float = 1.0
    epochs: float = 1.0
    mix: str = "uniform"
    start: float = 1.0
    end: float = 1.0
    calibrated: str = ""


VARIANTS = {
    "KD": Variant(), "Direct": Variant(()), "Direct_lr2": Variant((), lr=2), "Direct_lr4": Variant((), lr=4),
    "lr0.5": Variant(lr=0.5), "lr2": Variant(lr=2), "lr4": Variant(lr=4), "lr8": Variant(lr=8),
    "T2": Variant(temperature=2), "T8": Variant(temperature=8), "a0.5": Variant(alpha=0.5),
    "a1": Variant(alpha=1), "LS": Variant(mix="standardised"),
    "two": Variant(TWO), "two_attention": Variant(TWO, mix="attention"),
    "two_calibrated": Variant(TWO, calibrated="each"),
    "two_lr4": Variant(TWO, lr=4), "snapshots": Variant(("snapshot1", "snapshot2", "snapshot3")),
    "late": Variant(("part80", "part90", "first")), "route": Variant(("part33", "part67", "first"), mix="route"),
    "falling": Variant(start=1.5, end=0.5), "rising": Variant(start=0.5, end=1.5),
    "calibrated": Variant(calibrated="whole"),
    "x2": Variant(epochs=2), "two_x2": Variant(TWO, epochs=2), "lr4_x2": Variant(lr=4, epochs=2),
    "lr4_T2": Variant(lr=4, temperature=2), "lr4_T8": Variant(lr=4, temperature=8),
    "lr4_a0.5": Variant(lr=4, alpha=0.5), "lr4_a1": Variant(lr=4, alpha=1), "lr4_LS": Variant(lr=4, mix="standardised"),
    "lr4_falling": Variant(lr=4, start=1.5, end=0.5), "lr4_rising": Variant(lr=4, start=0.5, end=1.5),
    "lr4_calibrated": Variant(lr=4, calibrated="whole"),
    "lr4_rising_calibrated": Variant(lr=4, start=0.5, end=1.5, calibrated="whole"),
}  # fmt: skip


class Taught:
    """A teacher whose logits are looked up in memory."""

    def __init__(self, known: Known, images: int, scale: float) -> None:
        self.rows, self.validation, self.images = known.rows / scale, known.validation / scale, images

    def begin(self, epoch: int) -> None:
        """A view is the same in all epochs."""

    def outputs(self, batch: Batch, taps: frozenset[str] = frozenset()) -> ModelOutput:
        return ModelOutput(self.rows[batch.view * self.images + batch.which])

    def validation_logits(self, images: Any, normalise: Normalise) -> Tensor:
        return self.validation


class Mixed(Distiller):
    """KD from a mixture of teachers, in the ways of a variant."""

    def __init__(self, how: Variant, student: ModelSpec) -> None:
        super().__init__({}, student, ())
        self.how = how
        self.gate = Attention(len(how.teachers), student.classes, 0.1, 200) if how.mix == "attention" else None

    @property
    def needs_validation(self) -> bool:
        return self.gate is not None

    def prepare(self, teachers: Any, target: Tensor, repeat: Any = None) -> None:
        if self.gate is not None:
            self.gate.fit(teachers, target)

    def loss(self, student: ModelOutput, teachers: Any, target: Tensor, progress: Any) -> dict[str, Tensor]:
        how, logits = self.how, [teacher.logits for teacher in teachers]
        if how.mix == "standardised":
            log_p, log_q = (F.log_softmax(standardised(z) / 2, 1) for z in (logits[0], student.logits))
            soft = 9 * 4 * F.kl_div(log_q, log_p, reduction="batchmean", log_target=True)
            return {"ce": (1 - how.alpha) * F.cross_entropy(student.logits, target), "kd": soft}
        if how.mix == "route":
            logits = [logits[min(int(progress * len(logits)), len(logits) - 1)]]
        wave = 0.5 * (1 + math.cos(math.pi * progress))
        temperature = how.temperature * (how.end + (how.start - how.end) * wave)
        if len(logits) == 1:
            log_p = F.log_softmax(logits[0] / temperature, 1)
        else:
            even = logits[0].new_full((len(target), len(logits)), -math.log(len(logits)))
            log_p = log_mixture(even if self.gate is None else self.gate(logits, target), logits, temperature)
        return soft_terms(student.logits, log_p, target_N=target, temperature=temperature, alpha=how.alpha)


def fitting(one: Known, labels: Tensor) -> float:
    """The temperature of the least negative log-likelihood, of a grid."""
    grid = [2 ** (step / 8) for step in range(-16, 25)]
    return min(grid, key=lambda t: float(F.cross_entropy(one.validation / t, labels)))


def accuracy(how: Variant, here: Setting, found: Mapping[str, Known], run: int) -> float:
    """Of a student, in percent."""
    seed, splits = seed_of(0, here.spec.name, run), here.splits
    fit = replace(here.student_fit, epochs=round(here.student_fit.epochs * how.epochs), lr=here.student_fit.lr * how.lr)
    own = [found[name] for name in how.teachers]
    scales = [fitting(one, splits.validation.labels) if how.calibrated else 1.0 for one in own]
    if how.calibrated == "each":  # what differs between them alone
        middle = math.exp(float(np.mean(np.log(scales))))
        scales = [scale / middle for scale in scales]
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        loss = Mixed(how, here.small) if own else build_distiller("Direct", {}, here.small, (), seed)
    known_by = [Taught(one, len(splits.train), scale) for one, scale in zip(own, scales, strict=True)]
    one = Training(build(here.small, seed), loss, known_by, splits, Recipe(fit, here.spec.augment, seed, CPU))
    for _ in one.epochs():
        pass
    return one.product(splits.test).accuracy_pct
