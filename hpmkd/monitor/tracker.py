"""What a sweep is doing at the moment and how long it still takes: the data of the live view. No Ray, no terminal.

The code that runs the trials reports events to it; it never raises on what is reported.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

from hpmkd.monitor.eta import Times
from hpmkd.numeric import divide, is_defined
from hpmkd.plan.effort import RAY_END, RAY_START
from hpmkd.plan.events import EpochEnded, EpochResult, Event, Resumed, Worker
from hpmkd.plan.job import Job
from hpmkd.plan.roles import Role
from hpmkd.plan.schedule import Places, seconds_left, without_lost

# The schedule of 10,000 jobs takes a moment: at most this fraction of the time is spent on it.
_THINKING = 0.02


@dataclass
class Running:
    """A job that runs. `epoch` of `of` (0: none has ended yet); `train_loss`; `validation_pct`: percent.
    `fresh`: its worker has had no job before it. `first`, `last`: an epoch, and when it ended."""

    job: Job
    started: float
    epoch: int = 0
    of: int = 0
    train_loss: float = math.nan
    validation_pct: float = math.nan
    fresh: bool = True
    first: tuple[int, float] | None = field(default=None, repr=False)
    last: tuple[int, float] | None = field(default=None, repr=False)

    def ended_epoch(self, epoch: int, of: int, now: float) -> None:
        """Notes the end of an epoch."""
        self.epoch, self.of = epoch, of
        self.first = self.first or (epoch, now)
        self.last = (epoch, now)

    def pace(self) -> tuple[int, float] | None:
        """How many epochs were timed from end to end, and their seconds; None before the second."""
        if self.first is None or self.last is None or self.last[0] <= self.first[0]:
            return None  # an epoch that is told twice, as after a fault, is none more
        return self.last[0] - self.first[0], self.last[1] - self.first[1]

    def overhead(self, now: float) -> tuple[float, float] | None:
        """Seconds before the first epoch and after the last, for a job that ends now."""
        pace = self.pace()
        if pace is None or self.first is None or self.last is None:
            return None
        return max(0.0, self.first[1] - self.started - pace[1] / pace[0]), now - self.last[1]

    def left(self, times: Times, now: float) -> float | None:
        """Seconds that it still takes; None where nothing is known."""
        if self.last is None:
            whole = times.whole(self.job)
            return None if whole is None else max(0.0, whole - (now - self.started))
        training, pace = times.training(self.job), self.pace()
        each = pace[1] / pace[0] if pace else divide(training, self.of)
        if not is_defined(each):
            return None
        return max(0.0, (self.of - self.epoch) * each + times.after(self.job) - (now - self.last[1]))


class Tracker:
    """The state of a sweep.

    Args:
        jobs: all planned ones, parents before children.
        done: keys of those that are there, each with its training time in seconds.
        clock: seconds, monotonic.
        own_ray: a Ray of its own is started for the sweep, and ended.
    """

    def __init__(
        self,
        jobs: Sequence[Job],
        done: Mapping[str, float],
        clock: Callable[[], float] = time.monotonic,
        own_ray: bool = True,
    ) -> None:
        self.jobs, self.clock, self.begun = {job.key: job for job in jobs}, clock, clock()
        self.done, self.running, self.places = set(done), dict[str, Running](), Places.alike(1)
        self.shares: Mapping[Role, str] = {}  # what a trial of each role gets of the machine, in words
        self._wanted = self.jobs.keys() - self.done
        self._lost: set[str] = set()
        self._own_ray = own_ray
        self._starting = True  # no worker has taken anything up yet
        self._workers: set[Worker | None] = set()
        self._guess: tuple[float, float | None] = (self.begun, None)
        self._think_at = self.begun
        self.times = Times()
        for key, seconds in done.items():
            if key in self.jobs and math.isfinite(seconds):
                self.times.earlier(self.jobs[key], seconds)

    @property
    def total(self) -> int:
        """How many models there will be: those that are there, those that are wanted, those that failed."""
        return len(self.done | self._wanted)

    @property
    def elapsed(self) -> float:
        """Seconds since the tracker was made."""
        return self.clock() - self.begun

    def round(self, wanted: Collection[str], places: Places, shares: Mapping[Role, str]) -> None:
        """A round begins, or its Ray is new: nothing runs, and what had failed in it is tried again."""
        self._wanted |= set(wanted)
        self._lost = self._wanted - set(wanted) - self.done
        self.running.clear()
        self._workers.clear()
        self.places, self.shares = places, shares

    def started(self, key: str) -> None:
        """A worker takes a job up."""
        if key in self.jobs:
            self._lost.discard(key)
            self._starting = False
            self.running[key] = Running(self.jobs[key], self.clock())

    def reported(self, event: Event) -> None:
        """What a trial reports: its epochs, and from whom they come."""
        one = self.running.get(event.job)
        if one is None or isinstance(event, Resumed):
            return
        if not one.epoch:
            one.fresh = event.worker not in self._workers
        self._workers.add(event.worker)
        if isinstance(event, EpochEnded):
            self._epoch(one, event.result, self.clock() - event.ago)

    def _epoch(self, one: Running, result: EpochResult, now: float) -> None:
        before = one.last
        one.ended_epoch(result.epoch, result.of, now)
        if before is not None and result.epoch > before[0]:
            self.times.trained(one.job, divide(result.epoch - before[0], result.of), now - before[1])
        one.train_loss = result.train_loss
        if not math.isnan(
            result.validation_accuracy_pct
        ):  # on few images not every epoch is validated; the last stands
            one.validation_pct = result.validation_accuracy_pct

    def ended(self, key: str, made: bool) -> None:
        """A trial ended. `made`: its model is there; else it failed, and runs again only if it starts again."""
        one = self.running.pop(key, None)
        (self.done if made else self._lost).add(key)
        if one is None or not made or not one.of:
            return
        overhead = one.overhead(self.clock())
        if overhead is not None:
            self.times.overhead(one.job, None if one.fresh else overhead[0], overhead[1])
        elif not one.fresh:
            # Of a single epoch it is not known what was before it and after: it counts as the whole.
            self.times.trained(one.job, 1.0, self.clock() - one.started)
            self.times.overhead(one.job, 0.0, 0.0)

    def seconds_left(self) -> float | None:
        """Until the last wanted model is made and Ray has ended; None where nothing was measured yet."""
        now = self.clock()
        if now >= self._think_at:
            self._guess = (now, self._estimate(now))
            self._think_at = now + (self.clock() - now) / _THINKING
        made, guess = self._guess
        return None if guess is None else max(0.0, guess - (now - made))

    def _estimate(self, now: float) -> float | None:
        left = [job for key, job in self.jobs.items() if key in self._wanted and key not in self.done]
        left = without_lost(left, self._lost)
        running: dict[str, float] = {}
        seconds: dict[str, float] = {}
        for job in left:
            one = self.running.get(job.key)
            guess = self.times.whole(job) if one is None else one.left(self.times, now)
            if guess is None:
                return None
            (seconds if one is None else running)[job.key] = guess
        if not left:
            return 0.0
        return self._ray_left(now) + seconds_left(left, running, seconds, self.places)

    def _ray_left(self, now: float) -> float:
        if not self._own_ray:
            return 0.0
        return RAY_END + (max(0.0, RAY_START - (now - self.begun)) if self._starting else 0.0)
