"""Event files for TensorBoard, written by the worker that trains the model.

Not by the driver: tensorboardX imports torch, which takes seconds, and a worker has it already.
"""

from __future__ import annotations

import contextlib
import math
from pathlib import Path
from types import TracebackType
from typing import Any

from hpmkd.plan.events import EpochResult
from hpmkd.sweep.reports import curve_points

# A killed worker loses so much of its curve; that of the next attempt starts after its last checkpoint.
_FLUSH_SECONDS = 2


class EventFiles:
    """One model's curves; a context manager. Where they cannot be written (a full disk), the training continues.

    Args:
        folder: where to; None: nothing is written.
    """

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder
        self.writer: Any = None

    def __enter__(self) -> EventFiles:
        return self

    def epoch(self, result: EpochResult) -> None:
        """Adds the numbers of an epoch: losses, validation accuracy in percent, learning rate."""
        for name, value in curve_points(result).items():
            self._add(name, value, result.epoch)

    def end(self, accuracy: float) -> None:
        """Adds the finished model's accuracy on test images, in percent."""
        self._add("test_accuracy", accuracy, None)

    def _add(self, name: str, value: float, step: int | None) -> None:
        if self.folder is None or not math.isfinite(value):
            return
        with contextlib.suppress(OSError):
            if self.writer is None:
                from tensorboardX import SummaryWriter

                self.writer = SummaryWriter(str(self.folder), write_to_disk=True, flush_secs=_FLUSH_SECONDS)
            self.writer.add_scalar(name, value, step)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self.writer is not None:
            with contextlib.suppress(OSError):
                self.writer.close()
