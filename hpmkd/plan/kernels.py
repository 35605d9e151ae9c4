"""Compiled kernels in the plan: whether any network has them, and the shapes that they are compiled for."""

from __future__ import annotations

from collections.abc import Iterable

from hpmkd.config.architectures import LENET5_NAMES
from hpmkd.config.kernels import COMPILED
from hpmkd.config.sweep import SweepConfig
from hpmkd.errors import UsageError
from hpmkd.plan.job import Job
from hpmkd.plan.pairs import pairs_of

# Channels and side of images, widths of the two convolutional layers.
KernelShape = tuple[int, int, int, int]


def need_lenet5(config: SweepConfig) -> None:
    """UsageError where compiled kernels are asked for and no network has any: the setting would change nothing."""
    archs = [network.arch for pair in pairs_of(config).values() for network in pair.values()]
    if config.fit.kernels == COMPILED and not set(archs) & set(LENET5_NAMES):
        raise UsageError(
            "fit.kernels: no network of this sweep is a LeNet5, and others have no compiled kernels",
            expected=f"one of {', '.join(LENET5_NAMES)} as a teacher or student",
            found=", ".join(dict.fromkeys(archs)),
            todo="leave fit.kernels out",
        )


def kernel_shapes(jobs: Iterable[Job]) -> list[KernelShape]:
    """Of the networks that jobs train or ask with compiled kernels, each once."""
    found: dict[KernelShape, None] = {}
    for job in jobs:
        networks = (job.model, *(one.as_asked.model for one in job.parents if one.as_asked.role.is_network))
        for spec in networks if job.fit.kernels == COMPILED else ():
            if spec.arch in LENET5_NAMES:
                found[(spec.in_channels, spec.image_size, *spec.channels[:2])] = None  # type: ignore[index]
    return list(found)
