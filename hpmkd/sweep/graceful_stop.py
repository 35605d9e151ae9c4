"""Ends Tune's run when the sweep is asked to stop, or at the first failure if that is asked for: running trials save
what they have done first."""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Callable
from typing import Any

from hpmkd.cluster.stop_signals import StopSignals
from hpmkd.data.source.listing import count
from hpmkd.log import progress
from hpmkd.plan.events import EpochEnded, Event, Failed, Finished, StepsSaved
from hpmkd.store.output_dir import OutputDir
from hpmkd.sweep.reports import EventCallback
from hpmkd.sweep.searcher import JobQueue

SAVE_SECONDS = 12.0


class GracefulStop(EventCallback):
    """Asks the trials to save, waits for them, and then stops Tune by the handler that it set for Ctrl-C.

    `Tuner.fit` sets that handler anew each time, so it is taken over at the first step; of SIGTERM and SIGHUP Tune
    knows nothing. The trials look for `OutputDir.stop_file` between their steps. One that has not saved after
    `SAVE_SECONDS` continues later from what it had saved last. `far` is told where that file is not seen.
    """

    def __init__(
        self, stop: StopSignals, output: OutputDir, fail_fast: bool = False,
        far: Callable[[bool], object] = lambda stopping: None,
    ) -> None:  # fmt: skip
        self.stop, self.output, self.fail_fast, self.far = stop, output, fail_fast, far
        self.failed = False
        self._queue: JobQueue | None = None
        self._end_tune: Callable[..., Any] | None = None
        self._asked: float | None = None
        self._unsaved: set[str] = set()

    def arm(self, queue: JobQueue | None) -> None:
        """Before each `fit`, which takes its jobs from `queue`, if it has one."""
        self._queue = queue
        self._end_tune, self._asked, self._unsaved = None, None, set()
        self._over()
        self.stop.arm()

    def disarm(self) -> None:
        """After each `fit`, however it ended."""
        self.stop.graceful = False
        self._over()

    def _over(self) -> None:
        self.output.stop_file.unlink(missing_ok=True)
        self.far(False)

    def on_step_begin(self, iteration: int, trials: list[Any], **info: Any) -> None:
        """At the first step: takes Tune's handler over. Later: ends the run when it is time to."""
        if not self.stop.main_thread:
            return
        if self._end_tune is None:
            self._end_tune = signal.signal(signal.SIGINT, self.stop.handle)  # type: ignore[assignment]
            self.stop.graceful = True
        if self.stop.caught is not None or (self.failed and self.fail_fast):
            self._end(trials)

    def _end(self, trials: list[Any]) -> None:
        running = {trial.trial_id for trial in trials if trial.status == "RUNNING"}
        if self._asked is None:
            self._asked, self._unsaved = time.monotonic(), running
            if self._queue is not None:
                self._queue.stopping = True
            with contextlib.suppress(OSError):  # a full disk: the epochs saved so far stand
                self.output.stop_file.touch()
            self.far(True)
            why = "stopping" if self.stop.caught is not None else "stopping at the first failure (--fail-fast)"
            progress.info(f"{why}: saving {count(len(running), 'running trial')}; interrupt again to stop at once")
        self._unsaved &= running
        if (not self._unsaved or time.monotonic() - self._asked > SAVE_SECONDS) and self._end_tune is not None:
            # Who has saved waits for this file to go; Tune, for the next report of each trial, or for its end.
            self._over()
            self._end_tune(signal.SIGINT, None)

    def on_event(self, trial: Any, event: Event) -> None:
        """Notes who has saved, or has nothing left to save, and whether one has failed."""
        self.failed |= isinstance(event, Failed)
        saved = isinstance(event, EpochEnded | StepsSaved) and event.saved_to_stop
        if saved or isinstance(event, Finished | Failed):
            self._unsaved.discard(trial.trial_id)

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """A trial failed for good, as far as this round goes."""
        self.failed = True
