"""What a trial reports, typed. The training yields these events; the code that runs trials passes them on to callbacks.

How they travel through Ray Tune, which knows flat dicts alone, is said in `sweep/reports.py` and nowhere else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True)
class Worker:
    """The process that trains: its host's name and its process number there."""

    host: str
    pid: int


@dataclass(frozen=True)
class EpochResult:
    """One finished epoch of `of`: `epoch` counts from 1, `terms` are the loss terms' means over the images."""

    epoch: int
    train_loss: float
    terms: Mapping[str, float]
    validation_accuracy_pct: float  # NaN in an epoch without a validation, see `work.validation_period`
    lr: float
    train_seconds: float
    of: int


@dataclass(frozen=True)
class JobProfile:
    """Where the time of one job went.

    Args:
        parts: part of the work (see `analysis.time_profile.PARTS`) -> seconds.
        operators: rows of `operator`, `calls`, `seconds` in the second epoch; empty where nobody looked.
    """

    parts: Mapping[str, float]
    operators: Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Resumed:
    """The job `job` (its key) continues after `epoch` of `of` epochs, and `steps` of the next one, which an earlier
    attempt had saved."""

    job: str
    epoch: int
    of: int
    worker: Worker | None = None
    steps: int = 0


@dataclass(frozen=True)
class EpochEnded:
    """An epoch ended.

    Args:
        job: its key.
        result: of the epoch.
        saved_to_stop: a checkpoint was made, or tried, because the sweep is being stopped.
        worker: who trained it, where known.
        earlier: epochs that ended before it and were not reported by themselves, because they are short.
        ago: seconds between the end of the epoch and its report, which may have waited for the end of the job.
    """

    job: str
    result: EpochResult
    saved_to_stop: bool = False
    worker: Worker | None = None
    earlier: tuple[EpochResult, ...] = ()
    ago: float = 0.0

    @property
    def results(self) -> tuple[EpochResult, ...]:
        """All epochs that this tells of, in their order."""
        return (*self.earlier, self.result)


@dataclass(frozen=True)
class StepsSaved:
    """A checkpoint was made, or tried, in the middle of an epoch: after `epoch` of `of` epochs and `steps` steps.

    `saved_to_stop`: because the sweep is being stopped.
    """

    job: str
    epoch: int
    of: int
    steps: int
    saved_to_stop: bool = False
    worker: Worker | None = None


@dataclass(frozen=True)
class Finished:
    """The job's file is there.

    Args:
        job: its key.
        status: `trained` now; `recalled` from the shared memory; `found` under its name before anything was done.
        accuracy_pct: on test images; of a logits cache or a search, on validation images.
        train_seconds: what its training took, whenever that was.
        message: what people should read in place of the accuracy; empty: nothing.
        profile: where the time went, if the sweep asks for it.
        worker: who did it, where known.
        spoiled: why the worker's process should train nothing more; empty: it may.
    """

    job: str
    status: Literal["trained", "recalled", "found"]
    accuracy_pct: float
    train_seconds: float
    message: str = ""
    profile: JobProfile | None = None
    worker: Worker | None = None
    spoiled: str = ""


@dataclass(frozen=True)
class Failed:
    """The job cannot be done: its loss is no longer finite (`message` says where). A crash makes no such event.

    `profile`, `worker`, `spoiled`: see `Finished`.
    """

    job: str
    message: str
    profile: JobProfile | None = None
    worker: Worker | None = None
    spoiled: str = ""


@dataclass(frozen=True)
class Unsent:
    """The job's file is there, on a node that does not see the output, and cannot be copied now: `message` says why."""

    job: str
    message: str
    worker: Worker | None = None


Event = Resumed | EpochEnded | StepsSaved | Finished | Failed | Unsent
