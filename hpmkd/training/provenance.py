"""The provenance in a model file's metadata: data, recipe, parents, versions, hardware."""

from __future__ import annotations

import functools
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from hpmkd.config.kernels import COMPILED
from hpmkd.config.specs import model_to_json
from hpmkd.config.sweep import DataConfig
from hpmkd.data.cache import prepare
from hpmkd.data.class_names import class_names
from hpmkd.data.images import Splits
from hpmkd.hardware import machine
from hpmkd.plan.job import Job
from hpmkd.training.device import kernel_choice
from hpmkd.training.moments import moments
from hpmkd.version import __version__


def provenance(job: Job, data: DataConfig, device: torch.device) -> dict[str, Any]:
    """The metadata of a job's file but for what its training found: recipe, data, versions, machine."""
    return {
        "key": job.key,
        "role": job.role.value,
        **job.axes,
        "baseline": job.baseline,
        "run": job.run,
        "protocol": "literature" if job.data.tests_each_epoch else "honest",
        "epochs": job.fit.epochs,
        "seed": job.seed,
        "architecture": model_to_json(job.model),
        "recipe": job.recipe(),
        "fingerprint": job.fingerprint,
        "data_sha256": prepare(job.data, data),
        "versions": _versions(job),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
        "hardware": _hardware(device),
        "kernels": kernel_choice(device),
        "git_revision": _git_revision(),
    }


def _versions(job: Job) -> dict[str, str]:
    """Of what computes; numba's where it compiled a part of that."""
    found = {"hpmkd": __version__, "torch": str(torch.__version__), "python": platform.python_version()}
    return found | ({"numba": version("numba")} if job.fit.kernels == COMPILED else {})


def input_facts(job: Job, splits: Splits, data: DataConfig) -> dict[str, Any]:
    """What must be known to use a network without this package: how its images are normalised, what its outputs mean.

    Returns:
        `normalisation`: `mean` and `std`, a number per channel, of the training pixels in [0, 1] (bytes / 255): the
        input is (pixel - mean) / std. `classes`: the names of the outputs in their order, where they are known and few.
    """
    scaled = dict(zip(("mean", "std"), moments(job.model, splits), strict=True))
    names = class_names(job.data, data)
    facts = {"normalisation": {name: (value.double() / 255).tolist() for name, value in scaled.items()}}
    return facts if names is None else {**facts, "classes": names}


def _hardware(device: torch.device) -> str:
    """The machine, and the GPU that was trained on."""
    if device.type != "cuda":
        return machine()
    gpu = torch.cuda.get_device_properties(device)
    return f"{gpu.name}, {gpu.total_memory / 2**30:.1f} GiB; {machine()}"


@functools.cache
def _git_revision() -> str | None:
    command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "HEAD"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() or None if done.returncode == 0 else None
