"""Shows a model file its test set again, with the settings in its metadata: its accuracy, or each answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from hpmkd.config.specs import DataSpec, FitSpec, ModelSpec, frozen
from hpmkd.config.sweep import DataConfig
from hpmkd.data.augment import Normalise
from hpmkd.data.cache import as_json, load, prepare
from hpmkd.data.images import Splits
from hpmkd.errors import TRAIN_AGAIN, DamagedModel
from hpmkd.models import build
from hpmkd.models.kernels import use_kernels
from hpmkd.plan.job import Job
from hpmkd.store.network_file import with_source
from hpmkd.store.predictions import Predictions
from hpmkd.store.result_file import load_weights
from hpmkd.store.sidecar import Header
from hpmkd.training.device import kernel_choice, prepare_device
from hpmkd.training.evaluate import answer, evaluate, to_predictions
from hpmkd.training.moments import moments


def job_of(header: Header, sources: Mapping[str, str | None]) -> Job:
    """The job as far as an evaluation needs it: data, architecture, precision and kernels from the file's own recipe.

    Args:
        header: of the model.
        sources: where the images of a user's own folder lie, by data set.

    Raises:
        DamagedModel: the recipe lacks something.
    """
    recipe = header.metadata.get("recipe", {})

    def part(kind: type, section: str, **more: Any) -> Any:
        # What a recipe leaves out is an option that was off.
        names = [one.name for one in fields(kind) if one.compare and f"{section}.{one.name}" in recipe]
        values = {name: recipe[f"{section}.{name}"] for name in names}
        return kind(**{name: frozen(value) for name, value in values.items()}, **more)

    try:
        data = part(DataSpec, "data", source=sources.get(recipe["data.name"]))
        return Job(
            recipe["role"],
            data,
            model=part(ModelSpec, "model"),
            fit=part(FitSpec, "fit"),
            method="",
            hparams=(),
            seed=0,
        )
    except (KeyError, TypeError) as error:
        raise DamagedModel(
            str(header.metadata.get("key")),
            expected="a whole recipe",
            found=f"parts of one ({error})",
            todo=TRAIN_AGAIN,
        ) from error


def allowed_images(images: int, precision: str, tf32: bool, there: str, here: str) -> int:
    """How many of the test images may be judged otherwise than when the model was trained.

    None on a CPU in fp32. A GPU chooses its kernels anew in each process, and their sums differ in the last bits: one
    in 2,000. With less precision, or on another device: one in 200.

    Args:
        images: how many there are.
        precision, tf32: of the recipe.
        there, here: the devices that trained and that measures, `cpu` or a GPU's name.
    """
    if here == there and precision == "fp32" and (here == "cpu" or not tf32):
        return 0 if here == "cpu" else max(1, images // 2000)
    return max(1, images // 200)


def measure(header: Header, path: Path, data: DataConfig, sources: Mapping[str, str | None]) -> tuple[float, str]:
    """Measures a model file on its test set, on such a device and with such kernels as trained it, if there are any.

    Returns:
        Accuracy in percent, and what is wrong with the one in the file (or nothing), see `allowed_images`.

    Raises:
        EnvironmentProblem: the images are not there.
    """
    job = job_of(header, sources)
    device = device_for(header)
    found, images = evaluate_file(job, path, data, device)
    return found, _wrong(job, header, found, images=images, device=device)


def predict(header: Header, path: Path, data: DataConfig, sources: Mapping[str, str | None]) -> tuple[Predictions, str]:
    """What a model file answers to its test set, made anew; otherwise as `measure`.

    Returns:
        The answers, and what is wrong with them (or nothing): they must give the accuracy in the file.

    Raises:
        EnvironmentProblem: the images are not there.
    """
    job = job_of(header, sources)
    device = device_for(header)
    made = predict_file(job, path, data, device)
    return made, _wrong(job, header, made.accuracy_pct, images=len(made), device=device)


def device_for(header: Header) -> torch.device:
    """Such a device as trained the model, prepared as it was then."""
    device = torch.device("cuda" if _trained_on(header) != "cpu" and torch.cuda.is_available() else "cpu")
    kernels = header.metadata.get("kernels", {})
    prepare_device(device, **{name: bool(kernels[name]) for name in kernel_choice(device) if name in kernels})
    return device


def _trained_on(header: Header) -> str:
    return str(header.metadata.get("device", "cpu"))


def _wrong(job: Job, header: Header, found: float, images: int, device: torch.device) -> str:
    """What is wrong with the accuracy in a file of which `found` (percent) was measured; empty: nothing."""
    there = _trained_on(header)
    here = torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"
    other = abs(found - header.accuracy) / 100 * images
    allowed = allowed_images(images, job.fit.precision, job.fit.tf32, there=there, here=here)
    if other <= allowed + 1e-6:
        return ""
    said = f"measured {found:.2f}%, the file says {header.accuracy:.2f}%"
    where = f"{allowed} of {images} images may differ where it was trained on {there} and measured on {here}"
    return f"{said} ({where})" if allowed else said


def evaluate_file(job: Job, path: Path, data: DataConfig, device: torch.device) -> tuple[float, int]:
    """Test accuracy (percent) of a model file, measured anew: what its `accuracy` field must be; and of how many
    images."""
    model, splits, normalise = open_model(job, path, data, device)
    return evaluate(model, splits.test.to(device), normalise, job.fit.precision), len(splits.test)


def predict_file(job: Job, path: Path, data: DataConfig, device: torch.device) -> Predictions:
    """What a model file answers to the test set, made anew; the temperature is fitted on validation images."""
    model, splits, normalise = open_model(job, path, data, device)
    test, validation = (
        answer(model, part.to(device), normalise, job.fit.precision) if len(part) else None
        for part in (splits.test, splits.validation)
    )
    assert test is not None, "readers refuse a data set without test images"
    return replace(to_predictions(test, validation), data_sha256=prepare(job.data, data))


def open_model(job: Job, path: Path, data: DataConfig, device: torch.device) -> tuple[nn.Module, Splits, Normalise]:
    """The network of a model file on a device, its images on the CPU, and how they become its input."""
    torch.set_num_threads(job.fit.threads)
    _, state = load_weights(path)
    model = build(with_source(job.model, path), seed=0)
    model.load_state_dict(state)
    use_kernels(model, job.fit.kernels)
    splits = load(job.data, as_json(data))
    return model.to(device), splits, Normalise(*moments(job.model, splits), device)
