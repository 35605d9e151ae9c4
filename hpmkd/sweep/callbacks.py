"""What the driver does while trials report: lines for people, records for `hpmkd status` and the report."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from typing import Any

from ray.tune import Callback

from hpmkd.cluster.resources import Shares
from hpmkd.data.source.listing import count
from hpmkd.log import log, progress
from hpmkd.monitor.tracker import Tracker
from hpmkd.plan.events import Event, Failed, Finished, JobProfile, Resumed, Unsent
from hpmkd.plan.job import Job, label
from hpmkd.plan.roles import Role
from hpmkd.store.output_dir import OutputDir
from hpmkd.store.profile_file import Profile
from hpmkd.store.progress_log import Recorder
from hpmkd.sweep.failures import Failure, failure_of, reason_of
from hpmkd.sweep.reports import EventCallback, is_compared
from hpmkd.timings import Timings


class EventLog(EventCallback):
    """One line per model that ends. Nothing here may raise: Tune would stop the whole sweep."""

    def __init__(self, jobs: dict[str, Job], runs: int) -> None:
        self.jobs, self.runs = jobs, runs
        self.failed: dict[str, Failure] = {}  # the last failure of each job, in whatever round
        self.failed_now: set[str] = set()  # in the running round; the driver empties it
        self.unsent: dict[str, str] = {}  # what nodes have that do not see the output, and could not send
        self._made: set[str] = set()

    def on_event(self, trial: Any, event: Event) -> None:
        """Says where a model continues, and what a finished one reached."""
        job = self.jobs.get(event.job)
        if job is None:
            return
        name = label(job, self.runs)
        if isinstance(event, Resumed):
            within = f" and {count(event.steps, 'step')}" if event.steps else ""
            progress.info(f"{name}: continues after epoch {event.epoch}/{event.of}{within}")
        elif isinstance(event, Failed):
            self._note(job, Failure("diverged", event.message))
            progress.error(f"{name}: DIVERGED, {event.message}")
        elif isinstance(event, Unsent):
            where = event.worker.host if event.worker else "another node"
            self.unsent[job.key] = f"{job.file_name} is finished on {where}, and cannot be copied from there"
            log.warning(f"{self.unsent[job.key]}: {event.message}; it is tried again for some minutes")
        elif isinstance(event, Finished):
            self._made.add(job.key)
            self.unsent.pop(job.key, None)
            self._finished(job, name, event)

    def _finished(self, job: Job, name: str, event: Finished) -> None:
        if event.status == "trained":
            self.failed.pop(job.key, None)
            reached = event.message or f"{event.accuracy_pct:.2f}%"
            progress.info(f"{name}: {reached} in {event.train_seconds:.1f}s, saved {job.file_name}")
        elif event.status == "recalled":
            accuracy = f"{event.accuracy_pct:.2f}%"
            progress.info(
                f"{name}: {job.file_name} ({accuracy}) from the shared memory: trained before, by this or another sweep"
            )
        elif event.status == "found" and event.worker is not None:
            progress.info(f"{name}: {job.file_name} was finished already on {event.worker.host}")

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """A worker has taken a job up."""
        self._made.discard(trial.config.get("job", ""))

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Says that a trial failed, and where its log is; not of one whose worker died when the model was there."""
        job = self.jobs.get(trial.config.get("job", ""))
        if job is not None and job.key not in self._made:
            failure = failure_of(trial, self.failed.get(job.key))
            self._note(job, failure)
            progress.error(f"{label(job, self.runs)}: FAILED, {failure}")

    def on_trial_recover(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Says why a model in training starts again."""
        job = self.jobs.get(trial.config.get("job", ""))
        if job is not None and job.key not in self._made:
            progress.info(f"{label(job, self.runs)}: starts again, {reason_of(trial)}")

    def _note(self, job: Job, failure: Failure) -> None:
        self.failed[job.key] = failure
        self.failed_now.add(job.key)


class TrackerCallback(EventCallback):
    """Keeps the tracker of a live view up to date, and has it shown; Tune comes by several times a second."""

    def __init__(self, tracker: Tracker, show: Callable[[], None]) -> None:
        self.tracker, self.show = tracker, show
        self._made: set[str] = set()

    def round(self, wanted: Collection[str], shares: Shares) -> None:
        """A round begins."""
        self.tracker.round(wanted, shares.places, {role: shares.of(role).description for role in Role})

    def resized(self, shares: Shares) -> None:
        """There is more room, or less."""
        self.tracker.places = shares.places

    def on_step_begin(self, iteration: int, trials: list[Any], **info: Any) -> None:
        """A moment to look."""
        self.show()

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """A worker has taken a job up."""
        self.tracker.started(trial.config["job"])

    def on_event(self, trial: Any, event: Event) -> None:
        """An epoch, or the end of the work."""
        self.tracker.reported(event)
        if isinstance(event, Finished):
            self._made.add(trial.config["job"])

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """The trial is over: a diverged one, too."""
        key = trial.config["job"]
        self.tracker.ended(key, key in self._made)

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """The trial failed; Tune may start it again."""
        self.tracker.ended(trial.config["job"], made=False)

    def on_experiment_end(self, trials: list[Any], **info: Any) -> None:
        """The last moment to look: Ray's end takes some seconds."""
        self.show()


class TrimMetrics(Callback):
    """Lets go of what Tune keeps of each metric of each trial: the last values, for running averages, and the extremes
    of its own metrics, such as the seconds since the start.

    They are most of what a finished trial costs the driver (40 KB, for as long as the sweep runs) and of Tune's state.
    """

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """A trial that is over gets no more metrics. The last, best and mean of those that people compare stay."""
        kept = trial.run_metadata
        kept.metric_n_steps = {}
        kept.metric_analysis = {name: found for name, found in kept.metric_analysis.items() if is_compared(name)}


class Records(EventCallback):
    """Keeps what `hpmkd status` and the learning curves of a report are made of; see `store.progress_log.Recorder`."""

    def __init__(self, jobs: dict[str, Job], output: OutputDir) -> None:
        self.recorder = Recorder(output, {key: job.fingerprint for key, job in jobs.items()})
        self._made: set[str] = set()

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Notes that a worker has taken a job up."""
        self.recorder.started(trial.config["job"])
        self._made.discard(trial.config["job"])

    def on_event(self, trial: Any, event: Event) -> None:
        """Notes an epoch, or the end."""
        self.recorder.record(event)
        if isinstance(event, Finished):
            self._made.add(event.job)

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Notes why a trial failed, if it has left no model."""
        if trial.config["job"] not in self._made:
            self.recorder.failed(trial.config["job"], reason_of(trial))


class Profiler(EventCallback):
    """Fills a profile with what trials report at their end, and with how long the driver waited for them.

    Args:
        profile: what earlier starts have noted.
        timings: of this start.
    """

    def __init__(self, profile: Profile, timings: Timings) -> None:
        self.profile, self.timings = profile, timings
        self.busy, self.models, self.concurrent = 0.0, 0, 1
        self._shares: Shares | None = None
        self._started: dict[str, float] = {}
        self._found: dict[str, JobProfile] = {}

    def round(self, wanted: Collection[str], shares: Shares) -> None:
        """A round begins."""
        self._shares, self.concurrent = shares, shares.most

    def resized(self, shares: Shares) -> None:
        """There is more room, or less; the most counts."""
        self._shares, self.concurrent = shares, max(self.concurrent, shares.most)

    def close(self) -> None:
        """This start of the sweep has ended."""
        self.profile.add_start(self.models, self.concurrent, self.busy, self.timings.seconds)

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """A worker has been given a job."""
        self._started[trial.config["job"]] = time.monotonic()

    def on_event(self, trial: Any, event: Event) -> None:
        """The last report of a trial says how long its parts took."""
        if isinstance(event, Finished | Failed) and event.profile is not None:
            self._found[trial.config["job"]] = event.profile

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """The trial is over."""
        key = trial.config["job"]
        seconds = self._ended(trial)
        if seconds is not None and key in self._found:
            self.models += 1
            self.profile.add_model(key, seconds, self._found.pop(key))

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """It failed; its seconds were spent all the same."""
        self._ended(trial)

    def _ended(self, trial: Any) -> float | None:
        started = self._started.pop(trial.config["job"], None)
        if started is None:
            return None
        seconds = time.monotonic() - started
        # A teacher where 4 of them run side by side, but 16 students, is as much as 4 students.
        role = Role(trial.config["role"])
        self.busy += seconds * (self.concurrent / self._shares.of(role).concurrent if self._shares else 1)
        return seconds
