"""Trainings of tiny networks, and what tests ask of their states."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch import nn

from hpmkd.config.specs import ModelSpec, reusing
from hpmkd.data.images import Splits
from hpmkd.methods.build import DISTILLERS, build_distiller
from hpmkd.methods.multi_teacher.temperature import SCHEDULES
from hpmkd.models import ModelOutput, build
from hpmkd.training.recipe import Recipe
from hpmkd.training.teachers import Teacher
from hpmkd.training.train import Training
from support.builders import STUDENT, TEACHER, make_fit, make_splits
from support.losses import HPARAMS

HPM = {"hpmkd.weighting": "attention", "hpmkd.entropy_bonus": 0.1, "hpmkd.gate_steps": 5}
HPM |= {"hpmkd.t_high": 1.5, "hpmkd.t_low": 0.5}
CPU = torch.device("cpu")
RESNET = ModelSpec("resnet8", (4, 4, 8), 1, 16, 4)

# A method with what is special about it: every way in which a training can have a state.
CASES: list[tuple[str, dict[str, Any]]] = [(name, {}) for name in DISTILLERS]
CASES += [("HPM-KD", {"count": 3, "hparams": HPM | {"hpmkd.schedule": name}}) for name in SCHEDULES]
CASES += [("HPM-KD", {"count": 2, "hparams": HPM | {"hpmkd.weighting": name}}) for name in ("uniform", "confidence")]
CASES += [("KD-Ensemble", {"count": 3})]
CASES += [("FitNets", {"student": RESNET}), ("TraditionalKD", {"precision": "bf16"}), ("AT", {"precision": "bf16"})]
CASES += [("Direct", {"optimizer": "sgd", "schedule": "step", "weight_decay": 1e-3})]


def make(
    method: str = "TraditionalKD",
    teacher: ModelSpec = TEACHER,
    student: ModelSpec = STUDENT,
    count: int = 1,
    hparams: dict[str, Any] | None = None,
    teachers: Sequence[nn.Module | Teacher] | None = None,
    splits: Splits | None = None,
    device: torch.device = CPU,
    graph: bool = True,
    **fit: Any,
) -> Training:
    """A training of a small student; its teachers, where none are given, differ by their seeds."""
    distiller = build_distiller(method, {**HPARAMS, **(hparams or {})}, student, (teacher,) * count, 3)
    if teachers is None:
        teachers = [] if method == "Direct" else [build(teacher, seed) for seed in range(1, count + 1)]
    recipe = Recipe(make_fit(**fit), "crop_flip", 5, device, graph)
    return Training(
        build(student_of(method, student, teacher), 2), distiller, teachers, splits or make_splits(), recipe
    )


def student_of(method: str, student: ModelSpec, teacher: ModelSpec) -> ModelSpec:
    """The network that the plan gives a student of that method."""
    return reusing(student, teacher, 2) if method == "SimKD" else student


def flat(value: Any, name: str = "") -> dict[str, Any]:
    """Every leaf of a nested state."""
    if isinstance(value, dict):
        return {path: leaf for key, part in value.items() for path, leaf in flat(part, f"{name}/{key}").items()}
    if isinstance(value, list | tuple):
        return {path: leaf for key, part in enumerate(value) for path, leaf in flat(part, f"{name}/{key}").items()}
    return {name: value}


def same(one: Training, other: Training) -> None:
    states = [flat(training.state_dict()) for training in (one, other)]
    assert states[0].keys() == states[1].keys()
    for name, value in states[0].items():
        if not name.endswith("_seconds"):
            equal = torch.equal(value, states[1][name]) if isinstance(value, torch.Tensor) else value == states[1][name]
            assert equal, name


def saved(training: Training, device: torch.device = CPU) -> dict[str, Any]:
    """A state through a file, as a checkpoint is, for a training on `device`."""
    buffer = io.BytesIO()
    torch.save(training.state_dict(), buffer)
    return torch.load(io.BytesIO(buffer.getvalue()), map_location=device, weights_only=True)


class Stopped(Exception):
    """As a kill, between two steps."""


def stopped(work: Any, epoch: int, steps: int, device: torch.device = CPU) -> dict[str, Any]:
    """The state of a work that is stopped there, through a file, for one on `device`."""
    states = []

    def act() -> None:
        if (work.epoch, work.steps) == (epoch, steps):
            states.append(saved(work, device))
            raise Stopped

    work.between.act = act
    with pytest.raises(Stopped):
        list(work.epochs())
    return states[0]


class Noisy(nn.Module):
    """A user's own network, with dropout: the random numbers go on where they were."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner, self.drop = inner, nn.Dropout(0.3)

    def forward(self, images: torch.Tensor, **taps: bool) -> ModelOutput:
        out: ModelOutput = self.inner(images, **taps)
        return out._replace(logits=self.drop(out.logits))
