"""Configs, plans, images and models that tests need small.

What makes configs and plans imports them itself: the training core needs torch alone, and so do its tests.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from hpmkd.config.specs import DataSpec, FitSpec, ModelSpec
from hpmkd.data.augment import Batch, TrainBatches
from hpmkd.data.images import RawData, Splits, split
from hpmkd.data.source.images import Images

if TYPE_CHECKING:
    from hpmkd.config.sweep import SweepConfig
    from hpmkd.plan.job import Job

TEACHER = ModelSpec("lenet5", (6, 8, 24), 1, 16, 4)
STUDENT = ModelSpec("lenet5", (3, 5, 12), 1, 16, 4)


# HPM-KD with all its components, as the experiments on them have it.
FULL: dict[str, Any] = {"hpmkd__teachers": 2, "hpmkd__chain_length": None}
# Its search as it was first.
SEARCH: dict[str, Any] = {
    "adaptive__temperatures": [2.0, 4.0, 8.0], "adaptive__alphas": [0.5, 0.9], "adaptive__lr_factors": [1.0],
    "adaptive__metric": "accuracy", "adaptive__reduction_factor": 3, "adaptive__part": 0.5,
}  # fmt: skip


def make_config(cache_dir: Path | None = None, **overrides: Any) -> SweepConfig:
    """Every baseline on 200 Digits for two epochs, with live teachers; `fit__lr=0.1` overrides `fit.lr`.

    With a folder for decoded images the networks are smaller ones, which train in less time than the published pair.
    """
    from hpmkd.config.load import validate
    from hpmkd.plan.catalog import BASELINES

    raw: dict[str, Any] = {"datasets": ["Digits"], "baselines": list(BASELINES), "runs": 1}
    raw |= {"data": {"train_images": 200}, "kd": {"logits": "live"}}
    if cache_dir is not None:
        raw["data"]["cache_dir"] = str(cache_dir)
        raw |= {"teacher": {"channels": [8, 16, 60]}, "student": {"channels": [4, 8, 24]}}
    raw["fit"] = {"teacher_epochs": 2, "student_epochs": 2, "batch_size": 64}
    return validate(raw, "test", {key.replace("__", "."): value for key, value in overrides.items()})


def make_jobs(config: SweepConfig) -> dict[str, Job]:
    """The plan of a config, by key, parents first."""
    from hpmkd.data.cache import describe
    from hpmkd.plan.catalog import baselines_of
    from hpmkd.plan.planner import expand

    return {job.key: job for job in expand(config, describe(config), baselines_of(config))}


def batches_of(batches: TrainBatches, seed: int, epoch: int) -> list[Batch]:
    """The batches of an epoch, as steps take them."""
    return [batches.take(index, view) for index, view in batches.draws(seed, epoch)]


def make_spec(**values: Any) -> DataSpec:
    """A made-up data set of 16x16 grey images in four classes."""
    given = {"name": "Noise", "content": "Noise", "channels": 1, "image_size": 16, "classes": 4, "augment": "crop"}
    return DataSpec(**{**given, "validation_fraction": 0.1, **values})


def make_raw(images: int = 90, channels: int = 1, size: int = 16, classes: int = 4, seed: int = 0) -> RawData:
    """Random pixels; the label shows in the brightness, so that something can be learnt."""
    generator = torch.Generator().manual_seed(seed)

    def part(count: int) -> Images:
        labels = torch.arange(count) % classes
        noise = torch.randint(0, 100, (count, size, size, channels), generator=generator)
        return Images((noise + 40 * labels[:, None, None, None]).clamp(max=255).to(torch.uint8), labels)

    return RawData(part(images), part(images // 3), classes)


def make_splits(**values: Any) -> Splits:
    """The splits of `make_raw` by `make_spec`."""
    return split(make_raw(), make_spec(**values))


def make_fit(**values: Any) -> FitSpec:
    """A recipe of three epochs."""
    given = {"epochs": 3, "batch_size": 32, "optimizer": "adam", "lr": 1e-2, "momentum": 0.9, "weight_decay": 0.0}
    given |= {"schedule": "cosine", "milestones": (0.5, 0.75), "gamma": 0.1, "precision": "fp32", "threads": 1}
    return FitSpec(**{**given, **values})


def config(**given: object) -> SweepConfig:
    """`resources.*` and `fit.threads` as given."""
    from hpmkd.config.load import validate

    raw = {"datasets": ["Digits"], "baselines": ["Direct"]}
    return validate(raw, "test", {key.replace("__", "."): value for key, value in given.items()})
