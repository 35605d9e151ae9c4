"""`latency.json`: what `hpmkd bench latency` measured. Written atomically, after each block of measurements."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from hpmkd.numeric import UNKNOWN, Estimate
from hpmkd.store import measurement

NAME = "latency.json"
SHARES = (50, 90, 95, 99)  # percentiles: percent of the measurements that are at or below it


@dataclass(frozen=True)
class Subject:
    """A network that was measured. `bytes_of`: of the file that each runtime loads."""

    name: str
    file: str
    weights_sha256: str
    roles: tuple[str, ...]
    architecture: str
    parameters: int
    multiply_adds: int
    bytes_of: Mapping[str, int]


@dataclass(frozen=True)
class Cell:
    """A network in a runtime, with a batch size, on a device with so many threads.

    `milliseconds`: by percentile; `speedup`: median of the reference (the network of the most multiply-adds) over its
    own; `memory`: bytes at the peak of a call, beside weights and input, None: not known; `trusted`: whether the
    control in the same runtime was equal to itself.
    """

    network: str
    runtime: str
    device: str
    threads: int
    batch: int
    measurements: int
    rounds: int
    milliseconds: Mapping[int, Estimate]
    images_per_second: Estimate
    speedup: Estimate
    memory: int | None
    trusted: bool = True


@dataclass(frozen=True)
class Control:
    """The same network measured twice as if it were two: `ratio` of their medians, which ought to be 1."""

    network: str
    runtime: str
    device: str
    threads: int
    batch: int
    ratio: Estimate
    trusted: bool


@dataclass(frozen=True)
class Latencies:
    """A whole measurement.

    `settings`: what was asked for; `machine`: on what; `quiet`: what was not quiet before, and during each block of
    device and threads; `state`: load, frequency and heat before; `left_out`: what could not be measured, and why.
    """

    settings: Mapping[str, Any]
    machine: Mapping[str, str]
    subjects: tuple[Subject, ...]
    cells: tuple[Cell, ...] = ()
    controls: tuple[Control, ...] = ()
    quiet: Mapping[str, Sequence[str]] = field(default_factory=dict)
    state: Mapping[str, str] = field(default_factory=dict)
    left_out: tuple[str, ...] = ()
    made: str = ""
    complete: bool = False

    @property
    def warnings(self) -> list[str]:
        """What was not quiet, each once."""
        return list(dict.fromkeys(text for texts in self.quiet.values() for text in texts))

    def blocks(self) -> set[tuple[str, int]]:
        """Device and threads of what was measured."""
        return {(one.device, one.threads) for one in self.cells}


def write(found: Latencies, path: Path) -> None:
    """Raises EnvironmentProblem where it cannot be written."""
    measurement.write(path, {**asdict(found), "cells": [_cell_json(one) for one in found.cells]})


def read(path: Path) -> Latencies | None:
    """None where there is none.

    Raises:
        UsageError: it is not what this version writes.
    """
    return measurement.read(path, _parsed, "hpmkd bench latency")


def _parsed(values: Mapping[str, Any]) -> Latencies:
    return Latencies(
        settings=dict(values["settings"]),
        machine=dict(values["machine"]),
        subjects=tuple(Subject(**{**one, "roles": tuple(one["roles"])}) for one in values["subjects"]),
        cells=tuple(_cell(one) for one in values["cells"]),
        controls=tuple(Control(**{**one, "ratio": _estimate(one["ratio"])}) for one in values["controls"]),
        quiet={name: list(texts) for name, texts in values["quiet"].items()},
        state=dict(values["state"]),
        left_out=tuple(values["left_out"]),
        made=str(values["made"]),
        complete=bool(values["complete"]),
    )


def _cell_json(one: Cell) -> dict[str, Any]:
    return {**asdict(one), "milliseconds": {f"p{share}": value for share, value in one.milliseconds.items()}}


def _cell(values: Mapping[str, Any]) -> Cell:
    known = {share: _estimate(values["milliseconds"][f"p{share}"]) for share in SHARES}
    parts = {name: _estimate(values[name]) for name in ("images_per_second", "speedup")}
    return Cell(**{**values, **parts, "milliseconds": known})


def _estimate(values: Sequence[float | None]) -> Estimate:
    if len(values) != len(UNKNOWN):
        raise ValueError(f"an interval of {len(values)} numbers")
    return Estimate(*(math.nan if value is None else float(value) for value in values))
