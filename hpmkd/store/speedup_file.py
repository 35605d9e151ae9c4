"""`speedup.json`: how long a sweep took with so many workers. Written atomically, after each timed run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from hpmkd.store import measurement


@dataclass(frozen=True)
class TimedRun:
    """A whole training of the sweep.

    `seconds`: of the clock, from the start of the command to its end; `training`: the sum of all models' training
    seconds; `path`: those of the longest way through the plan.
    """

    workers: int
    repeat: int
    seconds: float
    training: float
    path: float


@dataclass(frozen=True)
class Speedups:
    """`plan`: what identifies the models; `weights`: by key those of all runs, which are equal; `threads`: of each
    worker; `order`: in which order the numbers of workers came in each repeat; `quiet`: by run what was not quiet."""

    plan: str
    machine: Mapping[str, str]
    threads: int
    workers: tuple[int, ...]
    repeats: int
    models: int
    runs: tuple[TimedRun, ...] = ()
    weights: Mapping[str, str] = field(default_factory=dict)
    left_out: tuple[str, ...] = ()
    quiet: Mapping[str, list[str]] = field(default_factory=dict)

    def run(self, workers: int, repeat: int) -> TimedRun | None:
        """That run, where it is done."""
        return next((one for one in self.runs if (one.workers, one.repeat) == (workers, repeat)), None)

    @property
    def open(self) -> list[tuple[int, int]]:
        """Workers and repeat of what is to be done, in the order: upwards, then downwards, and so on."""
        made = []
        for repeat in range(1, self.repeats + 1):
            turn = self.workers if repeat % 2 else self.workers[::-1]
            made += [(workers, repeat) for workers in turn if self.run(workers, repeat) is None]
        return made


def write(found: Speedups, path: Path) -> None:
    """Raises EnvironmentProblem where it cannot be written."""
    measurement.write(path, asdict(found))


def read(path: Path) -> Speedups | None:
    """None where there is none.

    Raises:
        UsageError: it is not what this version writes.
    """
    return measurement.read(path, _parsed, "hpmkd bench speedup")


def _parsed(values: dict[str, Any]) -> Speedups:
    runs = tuple(TimedRun(**one) for one in values.pop("runs"))
    values |= {"workers": tuple(values["workers"]), "left_out": tuple(values["left_out"])}
    return Speedups(**values, runs=runs)
