"""Trainings whose speed is measured: their networks, their images (CIFAR-10 or made up), and one epoch of each."""

from __future__ import annotations

import argparse
import io
import tempfile
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn

from hpmkd.config.specs import DataSpec, FitSpec, ModelSpec, reusing
from hpmkd.data.images import RawData, Splits, split
from hpmkd.data.source.images import Images
from hpmkd.methods.build import build_distiller
from hpmkd.models import build
from hpmkd.training.recipe import Recipe
from hpmkd.training.teachers import CachedTeacher, Teacher
from hpmkd.training.train import Training

STUDENT = ModelSpec("lenet5", (10, 20, 100), 3, 32, 10)
TEACHER = ModelSpec("lenet5", (20, 50, 500), 3, 32, 10)
RESNET = ModelSpec("resnet20", (16, 32, 64), 3, 32, 10)
HPARAMS: dict[str, Any] = {"kd.temperature": 4.0, "kd.alpha": 0.9, "at.beta": 100.0, "at.p": 2.0}
HPARAMS |= {"fitnets.beta": 10.0, "fitnets.schedule": "joint", "fitnets.hint_part": 0.3}
HPARAMS |= {"hpmkd.weighting": "attention", "hpmkd.entropy_bonus": 0.1, "hpmkd.gate_steps": 200}
HPARAMS |= {"hpmkd.schedule": "cosine", "hpmkd.t_high": 1.5, "hpmkd.t_low": 0.5}
SPEC = DataSpec("CIFAR10", "CIFAR10", 3, 32, 10, "crop_flip", 0.1)
VIEWS = 16  # of each image in a logits cache


class Case(NamedTuple):
    """A student's training; `cached`: its teacher's logits are looked up; `teacher`: the network of its teachers."""

    method: str
    model: ModelSpec
    teachers: int = 1
    cached: bool = False
    teacher: ModelSpec = TEACHER

    @property
    def words(self) -> dict[str, Any]:
        return {"method": self.method, "model": self.model.arch, "logits": "cached" if self.cached else "live"}


# The first ones matter most: what comes last is left out where time is short.
CASES = [Case("Direct", STUDENT, 0), Case("TraditionalKD", STUDENT), Case("Direct", RESNET, 0), Case("AT", STUDENT)]
CASES += [Case("FitNets", STUDENT), Case("TraditionalKD", STUDENT, cached=True), Case("HPM-KD", STUDENT, 2)]
CASES += [Case("TraditionalKD", RESNET)]
# The same by short names, and the training of the teacher itself.
NAMED = dict(zip(["Direct", "KD", "ResNet20", "AT", "FitNets", "KD cached", "HPM-KD"], CASES, strict=False))
NAMED["teacher"] = Case("Direct", TEACHER, 0)


def made_up(images: int) -> RawData:
    """Noise with a brightness that tells the class."""
    generator = torch.Generator().manual_seed(0)

    def part(count: int) -> Images:
        labels = torch.arange(count) % 10
        noise = torch.randint(0, 100, (count, 32, 32, 3), generator=generator)
        return Images((noise + 15 * labels[:, None, None, None]).to(torch.uint8), labels)

    return RawData(part(images), part(max(10, images // 5)), 10)


def read(folder: Path, images: int) -> RawData:
    """CIFAR-10, from Parquet or as torchvision keeps it: so many training images, and a fifth as many test images."""
    if (folder / "cifar-10-batches-py").is_dir():
        from torchvision.datasets import CIFAR10

        parts = [CIFAR10(str(folder), train=train) for train in (True, False)]
        train, test = (Images(torch.from_numpy(part.data), torch.tensor(part.targets)) for part in parts)
    else:
        train, test = (
            _parquet(folder / f"{name}.parquet", count) for name, count in (("train", images), ("test", images // 5))
        )
    return RawData(train.take(torch.arange(len(train))[:images]), test.take(torch.arange(len(test))[: images // 5]), 10)


def _parquet(file: Path, count: int) -> Images:
    import pyarrow.parquet
    from PIL import Image

    table = pyarrow.parquet.read_table(file).slice(0, count).to_pydict()
    pictures, labels = table.get("img") or table["image"], table["label"]
    pixels = np.stack([np.asarray(Image.open(io.BytesIO(one["bytes"])).convert("RGB")) for one in pictures])
    return Images(torch.from_numpy(pixels), torch.tensor(labels))


def save(raw: RawData, path: Path) -> None:
    """Images for the processes that measure."""
    torch.save([raw.train.pixels, raw.train.labels, raw.test.pixels, raw.test.labels], path)


def load(path: str) -> Splits:
    """They, split."""
    parts = torch.load(path, weights_only=True, mmap=True)
    return split(RawData(Images(*parts[:2]), Images(*parts[2:]), 10), SPEC)


def training(
    case: Case,
    splits: Splits,
    epochs: int,
    options: argparse.Namespace,
    graph: bool,
    seed: int = 1,
    hparams: Mapping[str, Any] = HPARAMS,
    optimizer: tuple[str, float] = ("adam", 1e-3),
) -> Training:
    """One model's training; its teachers have weights at random, which are as fast as any."""
    name, lr = optimizer
    views = VIEWS if case.cached else None
    fit = FitSpec(epochs, options.batch, name, lr, 0.9, 0.0, "cosine", (), 0.1, options.precision, 1, views=views)
    fit = replace(fit, kernels=getattr(options, "kernels", "torch"))  # of `compiled.py` alone
    device = torch.device(options.device)
    teachers: list[nn.Module | Teacher] = [build(case.teacher, 2 + number) for number in range(case.teachers)]
    if case.cached:
        teachers = [_cache(splits, device)]
    distiller = build_distiller(case.method, hparams, case.model, (case.teacher,) * len(teachers), seed)
    recipe = Recipe(fit, SPEC.augment, seed, device, graph)
    model = reusing(case.model, case.teacher, 2) if case.method == "SimKD" else case.model
    return Training(build(model, seed), distiller, teachers, splits, recipe)


def _cache(splits: Splits, device: torch.device) -> CachedTeacher:
    """Logits at random, as many as a cache has."""
    rows = VIEWS * len(splits.train) + len(splits.validation)
    with tempfile.TemporaryDirectory() as folder:
        np.save(f"{folder}/logits.npy", np.random.default_rng(0).normal(size=(rows, 10)).astype(np.float32))
        return CachedTeacher(Path(folder, "logits.npy"), len(splits.train), device)


def late(options: argparse.Namespace) -> bool:
    """Whether a part's time is over."""
    return time.monotonic() > float(options.until)


def wait(options: argparse.Namespace) -> None:
    """Until the GPU has done what it was asked for."""
    if options.device == "cuda":
        torch.cuda.synchronize()


def memory(options: argparse.Namespace) -> float | None:
    """Bytes that torch has of the GPU's memory."""
    return torch.cuda.memory_reserved() if options.device == "cuda" else None


class Runner:
    """A training, epoch by epoch, with the seconds of each but for its validation."""

    def __init__(self, one: Training, options: argparse.Namespace) -> None:
        self.training, self.options, self.epochs = one, options, one.epochs()

    def seconds(self) -> float:
        """Trains an epoch."""
        wait(self.options)
        start, before = time.perf_counter(), self.training.validate_seconds
        next(self.epochs)
        wait(self.options)
        return time.perf_counter() - start - (self.training.validate_seconds - before)

    def rate(self) -> float:
        """Images per second of an epoch."""
        return len(self.training.batches.labels) / self.seconds()
