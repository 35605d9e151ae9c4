"""The epochs of a training that is not over, as its worker notes them: `progress/<key>.epochs`.

A worker reports several short epochs at once, and the last one with the model; what it has not reported, or what was on
its way, a `kill -9` of worker or driver would take from the learning curve. So it notes each epoch beside, and the
driver, which takes the file away when it has heard of the job's end, adds what it has not heard of.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hpmkd.plan.events import EpochResult, Worker
from hpmkd.store.output_dir import OutputDir

SUFFIX = ".epochs"


@dataclass(frozen=True)
class Noted:
    """What a file says: of which recipe, by whom, and when the newest line was written (seconds since 1970)."""

    fingerprint: str
    worker: Worker
    written: float
    results: tuple[EpochResult, ...]


def epoch_file(output: OutputDir, key: str) -> Path:
    """Where the epochs of a job are noted."""
    return output.progress / f"{key}{SUFFIX}"


class EpochLog:
    """Notes the epochs of one job. Never raises for a full disk: nothing but a curve depends on it.

    Args:
        path: of `epoch_file`.
        fingerprint: of the job.
    """

    def __init__(self, path: Path, fingerprint: str) -> None:
        self.path, self.fingerprint = path, fingerprint
        self._begun = False

    def begin(self, epoch: int) -> None:
        """The attempt goes on after so many epochs, which stay noted if an earlier one has noted them."""
        before = read(self.path)
        known = before.results if before is not None and before.fingerprint == self.fingerprint else ()
        kept = {one.epoch: one for one in known if one.epoch <= epoch}
        head = {"fingerprint": self.fingerprint, "host": platform.node(), "pid": os.getpid()}
        self._write([head, *map(asdict, kept.values())], "wb")
        self._begun = True

    def add(self, result: EpochResult) -> None:
        """An epoch has ended."""
        if not self._begun:
            self.begin(0)
        self._write([asdict(result)], "ab")

    def _write(self, lines: list[dict[str, Any]], mode: str) -> None:
        with contextlib.suppress(OSError):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open(mode) as file:
                file.write(b"".join(json.dumps(line).encode() + b"\n" for line in lines))


def read(path: Path) -> Noted | None:
    """None where there is no such file, or nothing in it that can be read; a line that a kill tore is left out."""
    try:
        first, *rest = path.read_bytes().splitlines()
        head = json.loads(first)
        worker, written = Worker(str(head["host"]), int(head["pid"])), path.stat().st_mtime
        fingerprint = str(head["fingerprint"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    results = []
    for line in rest:
        with contextlib.suppress(ValueError, KeyError, TypeError):
            results.append(_result(json.loads(line)))
    return Noted(fingerprint, worker, written, tuple(results))


def _result(values: Mapping[str, Any]) -> EpochResult:
    numbers = {name: float(values[name]) for name in ("train_loss", "validation_accuracy_pct", "lr", "train_seconds")}
    terms = {str(name): float(value) for name, value in values["terms"].items()}
    return EpochResult(epoch=int(values["epoch"]), of=int(values["of"]), terms=terms, **numbers)
