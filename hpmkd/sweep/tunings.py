"""Tunings between the rounds of a sweep: when each has its turn, and what becomes of one that fails."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from ray.tune import Callback

from hpmkd.audit.sweep_dir import Sweep
from hpmkd.cluster.resources import TrialResources
from hpmkd.errors import EnvironmentProblem
from hpmkd.log import progress
from hpmkd.plan.events import Finished
from hpmkd.plan.job import Job, label
from hpmkd.store.result_file import verify
from hpmkd.sweep.callbacks import EventLog, Records, TrackerCallback, TrimMetrics
from hpmkd.sweep.failures import Attempts, Failure, first_line, kind_of
from hpmkd.sweep.far_nodes import FarNodes
from hpmkd.sweep.graceful_stop import GracefulStop
from hpmkd.sweep.reports import EventCallback
from hpmkd.sweep.tuned import summary, trying
from hpmkd.sweep.tuning import tune_settings


def waiting_for_tunings(jobs: Sequence[Job], missing: Collection[str]) -> set[str]:
    """Tunings that are not there, which have experiments of their own, and what waits for them."""
    lacking, shut = set(missing), set[str]()
    for job in jobs:
        if job.key in lacking and (job.is_tuning or any(parent.key in shut for parent in job.parents)):
            shut.add(job.key)
    return shut


def without_tunings(jobs: Sequence[Job], missing: Collection[str]) -> list[Job]:
    """What rounds make: all others."""
    shut = waiting_for_tunings(jobs, missing)
    return [job for job in jobs if job.key not in shut]


def next_tuning(jobs: Sequence[Job], missing: Collection[str], attempts: Attempts) -> Job | None:
    """The first whose parents are there, and which has not failed too often."""
    lacking = set(missing)
    for job in jobs:
        ready = job.is_tuning and job.key in lacking and not any(parent.key in lacking for parent in job.parents)
        if ready and not attempts.given_up(job.key):
            return job
    return None


class StandIn:
    """What callbacks ask of a trial, for a tuning, which has many."""

    def __init__(self, job: Job) -> None:
        self.trial_id, self.config = job.key, {"job": job.key, "role": job.role.value}


class Tuning:
    """Runs one, and tells of it as of any model.

    Args:
        sweep: whose it is.
        callbacks: who is told of its start, and of its end.
        gentle: stops it when the sweep is stopped.
        attempts: how often each has failed.
        far: nodes that do not see the output.
    """

    def __init__(
        self, sweep: Sweep, callbacks: Sequence[EventCallback], gentle: GracefulStop, attempts: Attempts, far: FarNodes
    ) -> None:
        self.far = far
        self.sweep, self.callbacks, self.gentle, self.attempts = sweep, callbacks, gentle, attempts

    def run(self, job: Job, share: TrialResources) -> None:
        """Makes its file, unless it fails or is stopped."""
        progress.info(trying(job, self.sweep.config.runs))
        trial: Any = StandIn(job)
        for one in self.callbacks:
            one.on_trial_start(0, [], trial)
        self.gentle.arm(None)
        watching = [one for one in self.callbacks if isinstance(one, TrackerCallback)]
        try:
            callbacks = [self.gentle, TrimMetrics(), *map(Looks, watching)]
            found = tune_settings(self.sweep, job, share, callbacks, stopped=self._stopped, far=self.far)
        except EnvironmentProblem:
            raise
        except Exception as error:  # what Tune, Ray or a restored state can raise is unknown
            self._failed(job, trial, Failure(kind_of(error), first_line(error)))
            return
        finally:
            self.gentle.disarm()
        if found is None and self._stopped():
            if self.gentle.stop.caught is None:
                self._failed(job, trial, Failure("error", "a trial of it failed (--fail-fast)"))
            return
        event = self._recalled(job) if found is None else finished(job, found)
        for one in self.callbacks:
            one.on_event(trial, event)
            one.on_trial_complete(0, [], trial)

    def _stopped(self) -> bool:
        return self.gentle.stop.caught is not None or (self.gentle.fail_fast and self.gentle.failed)

    def _recalled(self, job: Job) -> Finished:
        header = verify(self.sweep.output.model_file(job))
        return Finished(job.key, "recalled", header.accuracy, header.train_time)

    def _failed(self, job: Job, trial: Any, failure: Failure) -> None:
        self.attempts.failed(job.key, failure.kind)
        progress.error(f"{label(job, self.sweep.config.runs)}: FAILED, {failure}")
        for one in self.callbacks:
            if isinstance(one, EventLog):
                one.failed[job.key] = failure
            elif isinstance(one, Records):
                one.recorder.failed(job.key, failure.reason)
            else:
                one.on_trial_error(0, [], trial)


def finished(job: Job, found: Mapping[str, Any]) -> Finished:
    """Its end, as of any model."""
    return Finished(job.key, "trained", found["accuracy_pct"], found["train_seconds"], message=summary(found))


class Looks(Callback):
    """Has a live view look while a tuning runs; its trials are none of the sweep's models."""

    def __init__(self, watching: TrackerCallback) -> None:
        self.watching = watching

    def on_step_begin(self, iteration: int, trials: list[Any], **info: Any) -> None:
        """Tune's hook."""
        self.watching.show()
