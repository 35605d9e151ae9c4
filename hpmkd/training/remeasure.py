"""Measures the test accuracy of a model file again, with the settings in its metadata."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import torch

from hpmkd.config.specs import DataSpec, FitSpec, ModelSpec
from hpmkd.config.sweep import DataConfig
from hpmkd.data.augment import Normalise
from hpmkd.data.cache import load
from hpmkd.errors import DamagedModel
from hpmkd.models import build
from hpmkd.plan.job import Job
from hpmkd.store.result_file import load_weights
from hpmkd.store.sidecar import Header
from hpmkd.training.evaluate import evaluate

# Another device, or less than single precision, may see an image or two otherwise.
TOLERANCE_PCT = 0.5


def job_of(header: Header, sources: Mapping[str, str | None]) -> Job:
    """The job as far as an evaluation needs it: data, architecture and precision from the file's own recipe.

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
        tuples = {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
        return kind(**tuples, **more)

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
            str(header.metadata.get("key")), expected="a whole recipe", found=f"parts of one ({error})"
        ) from error


def measure(header: Header, path: Path, data: DataConfig, sources: Mapping[str, str | None]) -> tuple[float, str]:
    """Measures a model file on its test set.

    Returns:
        Accuracy in percent, and what is wrong with the one in the file (or nothing). On the same device and in
        single precision they must be equal, else they may differ by half a percentage point.

    Raises:
        EnvironmentProblem: the images are not there.
    """
    job = job_of(header, sources)
    there = header.metadata.get("device", "cpu")
    device = torch.device("cuda" if there != "cpu" and torch.cuda.is_available() else "cpu")
    here = torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"
    found = evaluate_file(job, path, data, device)
    exact = here == there and job.fit.precision == "fp32"
    wrong = abs(found - header.accuracy) > (1e-9 if exact else TOLERANCE_PCT)
    return found, f"measured {found:.2f}%, the file says {header.accuracy:.2f}%" if wrong else ""


def evaluate_file(job: Job, path: Path, data: DataConfig, device: torch.device) -> float:
    """Test accuracy (percent) of a model file, measured anew: what its `accuracy` field must be."""
    torch.set_num_threads(job.fit.threads)
    _, state = load_weights(path)
    model = build(job.model, seed=0)
    model.load_state_dict(state)
    splits = load(job.data, data.model_dump_json())
    normalise = Normalise(splits.mean, splits.std, device)
    return evaluate(model.to(device), splits.test.to(device), normalise, job.fit.precision)
