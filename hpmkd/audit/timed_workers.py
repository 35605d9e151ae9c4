"""With how many workers a sweep can be timed on this machine. No torch."""

from __future__ import annotations

import math
from pathlib import Path

from hpmkd.audit.recalled import device_of
from hpmkd.config.sweep import SweepConfig
from hpmkd.errors import EnvironmentProblem
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


def need_workers(config: SweepConfig) -> tuple[str, ...]:
    """What of `bench.workers` cannot be measured here, and why: said before the hours of training, not after.

    Raises:
        EnvironmentProblem: several are asked for, and this machine has cores and GPUs for one alone.
    """
    possible, left_out = workers_of(config)
    if left_out and len(possible) == 1:
        raise EnvironmentProblem(
            "bench.workers: no speed-up can be measured on this machine",
            expected="cores, and GPUs where they are used, for trials side by side, as many as are asked for",
            found="; ".join(left_out),
            todo=_advice(config),
        )
    return left_out


def _advice(config: SweepConfig) -> str:
    """Fewer workers where two would be possible."""
    two = config.model_copy(update={"bench": config.bench.model_copy(update={"workers": [2]})})
    most = workers_of(two)[0][-1]
    fewer = f"name at most as many as there is room for, such as {most} (bench.workers, --workers)"
    other = "measure on a larger machine, or give each trial less (fit.threads, resources.cpus_per_trial)"
    return f"{fewer if most > 1 else other}; hpmkd run with --bench.workers '[]' trains without timing"


def gpus_of(config: SweepConfig) -> float | None:
    """The share that is asked for, else a whole GPU for each: a share that is measured anew would be timed, too."""
    if device_of(config) == "cpu":
        return None
    share = config.resources.gpus_per_trial
    return share if isinstance(share, float | int) and share else 1.0


def _gpu_count() -> int:
    return max(1, len(list(Path("/proc/driver/nvidia/gpus").glob("*"))))
