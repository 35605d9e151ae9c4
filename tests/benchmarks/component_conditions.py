"""The conditions of `components.py`: data, networks, recipes, and their teachers' logits."""

from __future__ import annotations

import argparse
import copy
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from hpmkd.config.load import validate
from hpmkd.config.specs import DataSpec, FitSpec, ModelSpec
from hpmkd.data.augment import Normalise, TrainBatches, plain_batches
from hpmkd.data.cache import as_json, describe, load, prepare
from hpmkd.data.images import Splits
from hpmkd.methods.build import build_distiller
from hpmkd.models import build
from hpmkd.plan.architecture import resolve
from hpmkd.plan.job import teacher_seed
from hpmkd.plan.recipes import fit_of
from hpmkd.training import train as loop
from hpmkd.training.optim import learning_rate
from hpmkd.training.recipe import Recipe
from hpmkd.training.train import Training

CPU = torch.device("cpu")
SGD = {"optimizer": "sgd", "lr": 0.1, "weight_decay": 5e-4}
# The config, and how many of the held-out images are the method's own validation images (of the others it is judged).
CONDITIONS: dict[str, tuple[dict[str, Any], int]] = {
    "digits": (
        {"data": {"train_images": 300, "validation_fraction": 0.6},
         "fit": {"teacher_epochs": 60, "student_epochs": 60, "batch_size": 64}}, 40,
    ),
    "digits_resnet": (
        {"data": {"train_images": 300, "validation_fraction": 0.6}, "teacher": {"arch": "resnet8"},
         "fit": {"teacher_epochs": 20, "student_epochs": 30, "batch_size": 32, "lr": 2e-3}, "teacher_fit": SGD}, 40,
    ),
    "mnist": (
        {"data": {"train_images": 2000, "validation_fraction": 0.2}, "teacher": {"arch": "resnet8"},
         "fit": {"teacher_epochs": 20, "student_epochs": 20, "batch_size": 64}, "teacher_fit": SGD}, 500,
    ),
    "cifar": (
        {"data": {"train_images": 2500, "validation_fraction": 0.2}, "teacher": {"arch": "resnet8"},
         "fit": {"teacher_epochs": 60, "student_epochs": 60, "batch_size": 64, "views": 16}, "teacher_fit": SGD}, 500,
    ),
}  # fmt: skip


class Known(NamedTuple):
    """A teacher's logits: of all views of the training images, of the method's own validation images."""

    rows: Tensor
    validation: Tensor


@dataclass(frozen=True)
class Setting:
    """A condition, ready: networks, recipes, images (`splits.test` are held-out training images)."""

    spec: DataSpec
    large: ModelSpec
    small: ModelSpec
    teacher_fit: FitSpec
    student_fit: FitSpec
    splits: Splits


def setting(name: str, options: argparse.Namespace) -> Setting:
    raw, own = CONDITIONS[name]
    dataset = {"mnist": "MNIST", "cifar": f"cifar={options.folder}"}.get(name, "Digits")
    data = {**raw["data"], **({"dir": options.data_dir} if options.data_dir else {})}
    config = validate({**raw, "data": data, "datasets": [dataset], "baselines": ["TraditionalKD"]}, "components.py")
    (spec,) = describe(config)
    prepare(spec, config.data)
    whole = load(spec, as_json(config.data))
    held = whole.validation
    validation = held.take(torch.arange(own), True)
    judged = held.take(torch.arange(own, min(len(held), own + 5000)), True)
    large, small = resolve(config.teacher, spec, "teacher"), resolve(config.student, spec, "student")
    plain = fit_of(config, large.arch, config.fit.teacher_epochs)
    teacher_fit = replace(plain, views=None, **config.teacher_fit.model_dump(exclude_none=True))
    splits = Splits(whole.train, validation, judged, whole.mean, whole.std)
    return Setting(spec, large, small, teacher_fit, fit_of(config, small.arch, config.fit.student_epochs), splits)


@torch.no_grad()
def known(network: nn.Module, here: Setting) -> Known:
    network.eval()
    splits = here.splits
    normalise = Normalise(splits.mean, splits.std, CPU)
    batches = TrainBatches(splits.train, normalise, here.spec.augment, 512, views=here.student_fit.views)
    parts = list(torch.split(torch.arange(len(splits.train)), 512))
    rows = [
        network(batches.take(part, torch.full_like(part, view)).images).logits
        for view in range(batches.views)
        for part in parts
    ]
    return Known(
        torch.cat(rows), torch.cat([network(x).logits for x, _ in plain_batches(splits.validation, normalise)])
    )


def taught(here: Setting, seed: int, marks: Mapping[int, str], rate: Callable[..., float]) -> dict[str, Known]:
    """A teacher's logits after some epochs of its training."""
    loss = build_distiller("Direct", {}, here.large, (), seed)
    one = Training(
        build(here.large, seed), loss, [], here.splits, Recipe(here.teacher_fit, here.spec.augment, seed, CPU)
    )
    found, usual = {}, vars(loop)["learning_rate"]
    vars(loop)["learning_rate"] = rate
    try:
        for result in one.epochs():
            if result.epoch in marks:
                found[marks[result.epoch]] = known(copy.deepcopy(one.model), here)
    finally:
        vars(loop)["learning_rate"] = usual
    return found


def teachers(here: Setting, file: Path) -> dict[str, Known]:
    if file.exists():
        return {name: Known(*parts) for name, parts in torch.load(file).items()}
    seeds, last = [teacher_seed(0, here.spec.name, number) for number in (1, 2)], here.teacher_fit.epochs
    marks = {round(last / 3): "part33", round(2 * last / 3): "part67", round(0.8 * last): "part80"}
    found = taught(here, seeds[0], {**marks, round(0.9 * last): "part90", last: "first"}, learning_rate)
    found |= taught(here, seeds[1], {last: "second"}, learning_rate)
    per = last / 3

    def cyclic(fit: FitSpec, epoch: int) -> float:
        return 0.5 * fit.lr * (1 + math.cos(math.pi * (epoch % per) / per))

    found |= taught(here, seeds[0], {round(per * number): f"snapshot{number}" for number in (1, 2, 3)}, cyclic)
    torch.save({name: tuple(one) for name, one in found.items()}, file)
    return found
