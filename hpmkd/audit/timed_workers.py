"""With how many workers a sweep can be timed on this machine. No torch."""

from __future__ import annotations

import math
from pathlib import Path

from hpmkd.audit.recalled import device_of
from hpmkd.config.sweep import SweepConfig
from hpmkd.hardware import cores


def workers_of(config: SweepConfig) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """One, and those of `bench.workers` that this machine has cores and GPUs for; and why not the others."""
    each = config.resources.cpus_per_trial or config.fit.threads
    most, of = max(1, math.floor(cores() / each)), f"{cores()} cores, {each:g} for each"
    gpus = gpus_of(config)
    if gpus is not None:
        by_gpu = max(1, math.floor(_gpu_count() / gpus))
        if by_gpu < most:
            most, of = by_gpu, f"{_gpu_count()} GPUs, {gpus:g} for each"
    wanted = sorted({1, *config.bench.workers})
    left_out = tuple(f"{count} workers: there are {of}" for count in wanted if count > most)
    return tuple(count for count in wanted if count <= most), left_out


def gpus_of(config: SweepConfig) -> float | None:
    """The share that is asked for, else a whole GPU for each: a share that is measured anew would be timed, too."""
    if device_of(config) == "cpu":
        return None
    share = config.resources.gpus_per_trial
    return share if isinstance(share, float | int) and share else 1.0


def _gpu_count() -> int:
    return max(1, len(list(Path("/proc/driver/nvidia/gpus").glob("*"))))
