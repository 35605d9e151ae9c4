"""How long a sweep still takes, seen from outside: a tracker is told its records, as the driver tells its own one."""

from __future__ import annotations

import datetime
import math
import time
from pathlib import Path
from typing import Any

from hpmkd.audit.status import ModelStatus, Status
from hpmkd.audit.sweep_dir import open_saved
from hpmkd.monitor.tracker import Tracker
from hpmkd.plan.events import EpochEnded, EpochResult, Worker
from hpmkd.plan.schedule import Places
from hpmkd.store.output_dir import OutputDir
from hpmkd.store.progress_log import Progress, progress_file, read


def seconds_left(status: Status) -> float | None:
    """Until the last model of a running sweep is made; None where no sweep runs, or nothing was measured yet."""
    if status.sweep not in ("running", "elsewhere"):
        return None
    saved = open_saved(Path(status.root))
    now = [0.0]
    done = {one.key: one.train_seconds or math.nan for one in status.models if one.state == "done"}
    own_ray = saved.config is None or not saved.config.resources.address
    tracker = Tracker(saved.jobs, done, lambda: now[0], own_ray=own_ray)
    wanted = [one.key for one in status.models if one.state not in ("done", "failed")]
    running = [one for one in status.models if one.state == "running"]
    # How many run side by side is known to the driver alone: as many as there are now.
    tracker.round(wanted, Places.alike(max(1, len(running))), {})
    for one in running:
        _tell(tracker, now, one, read(progress_file(OutputDir(Path(status.root)), one.key)))
    now[0] = time.time()
    return tracker.seconds_left()


def _tell(tracker: Tracker, now: list[float], one: ModelStatus, record: Progress | None) -> None:
    """A running model's start, and the epochs of this attempt, each at its time."""
    since, updated = _time(one.since), _time(one.updated)
    if since is None or updated is None:
        return
    now[0] = since
    tracker.started(one.key)
    rows = record.epochs if record is not None else ()
    for row in rows:
        # Records have the time of the newest epoch; the others ended as much earlier as training tells.
        ended = updated - (_number(rows[-1]["train_seconds"]) - _number(row["train_seconds"]))
        if ended >= since and one.of:
            now[0] = ended
            tracker.reported(EpochEnded(one.key, _result(row, one.of), worker=Worker("", 0)))


def _result(row: dict[str, Any], of: int) -> EpochResult:
    numbers = {name: _number(row[name]) for name in ("train_loss", "validation_accuracy_pct", "lr", "train_seconds")}
    return EpochResult(int(row["epoch"]), terms={}, of=of, **numbers)


def _number(value: float | None) -> float:
    """As records have it: null is NaN."""
    return math.nan if value is None else float(value)


def _time(text: str | None) -> float | None:
    """Seconds since 1970 of an ISO 8601 time."""
    try:
        return datetime.datetime.fromisoformat(text or "").timestamp()
    except ValueError:
        return None
