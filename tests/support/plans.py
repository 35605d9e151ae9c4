"""A small plan of every kind of job."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from hpmkd.config.specs import DataSpec
from hpmkd.config.sweep import SweepConfig
from hpmkd.plan.catalog import baselines_of
from hpmkd.plan.job import Job
from hpmkd.plan.planner import expand


def plan(datasets: int, baselines: list[str], runs: int) -> tuple[Job, ...]:
    """A plan over made-up grey data sets."""
    specs = [DataSpec(f"D{i}", f"D{i}", 1, 28, 10, "none", 0.1, None, None) for i in range(datasets)]
    config = SweepConfig(datasets=[spec.name for spec in specs], baselines=baselines, runs=runs)
    return expand(config, specs, baselines_of(config))


class Raises:
    """A pickle that would run code when it is read, and tell of it."""

    def __init__(self, witness: Path) -> None:
        self.witness = witness

    def __reduce__(self) -> tuple[Callable[..., object], tuple[str]]:
        return os.mkdir, (str(self.witness),)
