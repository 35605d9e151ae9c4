"""Whether a worker is to save between two steps: an epoch may take longer than the machine is there."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from hpmkd.store.epoch_checkpoint import SaveSchedule

_LOOK_SECONDS = 0.5  # a step may take 50 us, and a look at a shared folder a millisecond
_STOP_SECONDS = 60.0  # a driver that was killed while it stopped leaves the file until the next start
_WITHIN_SECONDS = 60.0  # since the last checkpoint; epochs that are shorter are saved at their ends alone


class Pauses:
    """Asked after each step.

    Args:
        schedule: of all checkpoints of the job.
        stop_file: is there while the sweep is being stopped.
        least: seconds from one checkpoint to the next, at least.
    """

    def __init__(self, schedule: SaveSchedule, stop_file: Path, least: float = _WITHIN_SECONDS) -> None:
        self.schedule, self.stop_file, self.least = schedule, stop_file, least
        self._next = time.monotonic() + _LOOK_SECONDS

    def due(self) -> Literal["stop", "time", ""]:
        """Why a checkpoint is to be made now; empty: none is."""
        now = time.monotonic()
        if now < self._next:
            return ""
        self._next = now + _LOOK_SECONDS
        if self.stop_file.exists():
            return "stop"
        return "time" if self.schedule.due(self.least) else ""


def wait_for_the_end(stop_file: Path) -> None:
    """While the sweep is being stopped: what is saved is the newest, and the cores are left to the others."""
    start = time.monotonic()
    while stop_file.exists() and time.monotonic() - start < _STOP_SECONDS:
        time.sleep(0.05)
