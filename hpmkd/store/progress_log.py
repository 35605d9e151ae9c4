"""How far each model is, while it is trained: one small file per job that only grows, `progress/<key>.jsonl`.

A line is one JSON object. Nothing depends on these files but what people look at, so they are not forced to disk, and
a reader leaves out a line that a kill tore. They also keep the learning curves.
"""

from __future__ import annotations

import contextlib
import datetime
import json
import math
import os
import platform
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from hpmkd.files import parse_json
from hpmkd.plan.events import EpochEnded, EpochResult, Event, Failed, Finished, Worker
from hpmkd.store import epoch_log
from hpmkd.store.epoch_log import epoch_file
from hpmkd.store.output_dir import OutputDir

SUFFIX = ".jsonl"
# Of longer trainings only every n-th epoch is kept: enough for a curve, and a file stays below about 100 kB.
MAX_EPOCHS = 500
State = Literal["training", "ended", "failed"]


@dataclass(frozen=True)
class Progress:
    """What the records of one job say.

    Args:
        key: the job's.
        state: of the newest record: `training`, `ended` (its file was committed), `failed`.
        since: when the attempt began, `updated`: when the newest record was made; ISO 8601.
        host, pid: who trains it.
        epoch, of: the newest finished epoch (0: none yet) and how many there are.
        message: why it failed.
        fingerprint: of what was trained, where the writer knew it.
        epochs: the learning curve, one row per kept epoch: `epoch`, `train_loss`, `validation_accuracy_pct`, `lr`,
            `train_seconds`, `terms`. Of an epoch that was trained twice, the newer.
    """

    key: str
    state: State = "training"
    since: str = ""
    updated: str = ""
    host: str = ""
    pid: int = 0
    epoch: int = 0
    of: int = 0
    message: str = ""
    fingerprint: str = ""
    epochs: tuple[dict[str, Any], ...] = field(default=(), repr=False)


def progress_file(output: OutputDir, key: str) -> Path:
    """Where the records of a job lie."""
    return output.progress / f"{key}{SUFFIX}"


class Recorder:
    """Writes the records from what trials report. Never raises for a full disk.

    Args:
        output: the sweep's folder.
        fingerprints: key -> fingerprint of the planned jobs, so that curves from other settings are recognised.
    """

    def __init__(self, output: OutputDir, fingerprints: Mapping[str, str] | None = None) -> None:
        self.output, self.fingerprints = output, dict(fingerprints or {})

    def started(self, key: str) -> None:
        """A worker starts or continues a job."""
        self.caught_up(key)
        self._add(key, [{"event": "started", "fingerprint": self.fingerprints.get(key, "")}], None)

    def record(self, event: Event) -> None:
        """Takes note of what a trial reports after each epoch and at its end."""
        if isinstance(event, EpochEnded):
            kept = [one for one in event.results if _is_kept(one)]
            self._add(event.job, [{"event": "epoch", **_epoch(one)} for one in kept], event.worker, event.ago)
        elif isinstance(event, Failed):
            self._add(event.job, [{"event": "failed", "message": event.message}], event.worker)
        elif isinstance(event, Finished):
            self._add(event.job, [{"event": "ended"}], event.worker)
            with contextlib.suppress(OSError):
                epoch_file(self.output, event.job).unlink()

    def caught_up(self, key: str, ended: bool = False) -> None:
        """Adds the epochs that a worker has noted and nobody has recorded, because driver or worker was killed.

        Args:
            key: of the job.
            ended: the job's file is there; then so is its end, and nothing is left to note.
        """
        path = epoch_file(self.output, key)
        noted = epoch_log.read(path)
        if noted is not None and noted.fingerprint == self.fingerprints.get(key):
            ago = max(0.0, time.time() - noted.written)
            before = read(progress_file(self.output, key))
            known = {one["epoch"] for one in before.epochs} if before is not None else set()
            kept = [one for one in noted.results if _is_kept(one)]
            first = min((one.epoch for one in kept if one.epoch not in known), default=math.inf)
            # From there on all of them: a reader takes an earlier epoch for a new beginning.
            lines = [{"event": "epoch", **_epoch(one)} for one in kept if one.epoch >= first]
            self._add(key, [*lines, *([{"event": "ended"}] if ended else [])], noted.worker, ago)
        if ended:
            with contextlib.suppress(OSError):
                path.unlink()

    def failed(self, key: str, message: str) -> None:
        """A trial ended with an error."""
        self._add(key, [{"event": "failed", "message": message}], None)

    def _add(self, key: str, records: Sequence[Mapping[str, Any]], worker: Worker | None, ago: float = 0.0) -> None:
        if not records:
            return
        when = datetime.datetime.now(datetime.UTC) - datetime.timedelta(seconds=ago)
        by = worker or _this_process()
        common = {"time": when.isoformat(timespec="seconds"), "host": by.host, "pid": by.pid}
        lines = b"".join(json.dumps({**common, **values}).encode() + b"\n" for values in records)
        path = progress_file(self.output, key)
        with contextlib.suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("ab+") as file:
                if file.tell() and not _ends_a_line(file):
                    lines = b"\n" + lines  # what a kill tore stays alone on its line
                file.write(lines)


def record_ends(output: OutputDir, fingerprints: Mapping[str, str]) -> None:
    """Completes the records of jobs whose files are there, but whose drivers were killed before they heard of it.

    Args:
        output: the sweep's folder.
        fingerprints: of the jobs with a good file, by key.
    """
    recorder = Recorder(output, fingerprints)
    for path in output.progress.glob(f"*{epoch_log.SUFFIX}"):
        key = path.name.removesuffix(epoch_log.SUFFIX)
        if key in fingerprints:
            recorder.caught_up(key, ended=True)


def _is_kept(result: EpochResult) -> bool:
    return result.epoch in (1, result.of) or result.epoch % math.ceil(result.of / MAX_EPOCHS) == 0


def _ends_a_line(file: Any) -> bool:
    file.seek(-1, os.SEEK_END)
    return bool(file.read(1) == b"\n")


def _this_process() -> Worker:
    return Worker(platform.node(), os.getpid())


def _epoch(result: EpochResult) -> dict[str, Any]:
    return {
        "epoch": result.epoch,
        "of": result.of,
        "train_loss": _short(result.train_loss),
        "validation_accuracy_pct": _short(result.validation_accuracy_pct),
        "lr": _short(result.lr),
        "train_seconds": _short(result.train_seconds),
        "terms": {name: _short(value) for name, value in result.terms.items()},
    }


def _short(value: float) -> float | None:
    """Six digits are more than a curve shows; JSON has no NaN."""
    return float(f"{value:.6g}") if math.isfinite(value) else None


def read(path: Path) -> Progress | None:
    """What a file of records says; None where not one line of it can be read."""
    found: Progress | None = None
    try:
        lines = path.read_bytes().splitlines()
    except OSError:
        return None
    for line in lines:
        with contextlib.suppress(ValueError, KeyError, TypeError, AttributeError):
            found = _follow(found or Progress(path.name.removesuffix(SUFFIX)), parse_json(line))
    return found


def read_all(output: OutputDir) -> dict[str, Progress]:
    """Every job that has records, by key."""
    found = [read(path) for path in sorted(output.progress.glob(f"*{SUFFIX}"))]
    return {one.key: one for one in found if one is not None}


def _follow(old: Progress, line: Mapping[str, Any]) -> Progress:
    """The state after one more record."""
    event, time = line["event"], str(line["time"])
    new = {**old.__dict__, "updated": time, "host": str(line["host"]), "pid": int(line["pid"])}
    if event == "started":
        other = bool(old.fingerprint and line["fingerprint"] and old.fingerprint != line["fingerprint"])
        # Which epoch it continues from is known when that one ends.
        new |= {"state": "training", "since": time, "message": "", "epoch": 0, "fingerprint": line["fingerprint"]}
        new |= {"epochs": ()} if other else {}
    elif event == "epoch":
        epoch, of = int(line["epoch"]), int(line["of"])
        row = {name: line[name] for name in ("epoch", "train_loss", "validation_accuracy_pct", "lr", "train_seconds")}
        again = not old.since or old.state != "training" or epoch <= old.epoch
        new |= {"state": "training", "epoch": epoch, "of": of, "since": time if again else old.since, "message": ""}
        kept = tuple(one for one in old.epochs if one["epoch"] < epoch)
        new["epochs"] = (*kept, {**row, "terms": dict(line["terms"])})
    elif event == "failed":
        new |= {"state": "failed", "message": str(line["message"])}
    elif event == "ended":
        new |= {"state": "ended", "message": ""}
    else:
        return old
    return Progress(**new)
