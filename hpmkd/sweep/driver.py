"""What is left to do of a sweep: Tune runs in rounds until each model is there, or has failed as often as it may."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from typing import Any

from hpmkd.audit.sweep_dir import Sweep
from hpmkd.cluster.gpu_kinds import Place, places
from hpmkd.cluster.resources import Shares, shares, trial_resources, wants_measuring
from hpmkd.cluster.stop_signals import StopSignals
from hpmkd.data.source.listing import count
from hpmkd.errors import HpmkdError
from hpmkd.log import progress
from hpmkd.plan.job import Job
from hpmkd.plan.roles import Role
from hpmkd.store.inspection import Finding, inspect_job
from hpmkd.store.output_dir import EPOCH_META
from hpmkd.sweep.callbacks import EventLog, Profiler, Records, TrackerCallback, TrimMetrics
from hpmkd.sweep.capacity import Capacity
from hpmkd.sweep.failures import Attempts, Failure, Round, failure_of_round
from hpmkd.sweep.far_nodes import FarNodes
from hpmkd.sweep.gpu_probe import Found, known_usage, measure
from hpmkd.sweep.gpu_side_by_side import lines, per_gpu
from hpmkd.sweep.graceful_stop import GracefulStop
from hpmkd.sweep.loggers import open_loggers
from hpmkd.sweep.node_losses import NodeLosses
from hpmkd.sweep.nodes import ready_nodes
from hpmkd.sweep.searcher import JobQueue, QueueSync
from hpmkd.sweep.tune_run import finish_round, keep_error, restorable, run_round
from hpmkd.sweep.tunings import Tuning, next_tuning, waiting_for_tunings, without_tunings


class SweepState:
    """What is left to do, and how often it has failed; it outlives a Ray that dies."""

    def __init__(
        self,
        sweep: Sweep,
        findings: dict[str, Finding],
        stop: StopSignals,
        watchers: Sequence[TrackerCallback | Profiler],
        fail_fast: bool = False,
        far: FarNodes | None = None,
    ) -> None:
        self.sweep, self.findings, self.stop, self.watchers = sweep, findings, stop, watchers
        self.far = far or FarNodes(sweep, None)
        self.attempts = Attempts()
        self.lines = EventLog(sweep.by_key, sweep.config.runs)
        self.loggers = open_loggers(sweep.config.record, sweep.output.root.name)
        self.gentle, self.fail_fast = GracefulStop(stop, sweep.output, fail_fast, self.far.tell), fail_fast
        self.restore, why = restorable(sweep)
        if why:
            progress.info(f"{why}; no model is lost, starting a new round from the saved epochs")
        if self.restore is not None and self.far.exchange is not None and any(self.restore.glob(f"*/*/{EPOCH_META}")):
            self.restore = None  # of a sweep on this machine alone: other nodes do not see what it has saved

    def run(self) -> None:
        """Rounds, on a Ray that runs."""
        self.far.begin()
        ready_nodes(self.sweep, self.missing(), self.far.reach)
        whole = self._shares()
        while self.stop.caught is None and not (self.fail_fast and self.lines.failed):
            now = self.attempts.next_round(without_tunings(self.sweep.jobs, self.missing()), self.done())
            if now is None:
                if not self._tune(whole):
                    return
                continue
            part = whole.fewer(now.concurrent)
            if now.attempt:
                progress.info(
                    f"training {count(len(now.keys), 'failed model')} again, {part.side_by_side} side by side"
                )
            self._round(now, part)

    def _tune(self, whole: Shares) -> bool:
        """Makes the first tuning that can be made, in an experiment of its own; whether there was one."""
        job = next_tuning(self.sweep.jobs, self.missing(), self.attempts)
        if job is None:
            return False
        self.restore = None  # of a round: the file that this makes changes what it had left
        callbacks = [self.lines, Records(self.sweep.by_key, self.sweep.output), *self.watchers]
        Tuning(self.sweep, callbacks, self.gentle, self.attempts, far=self.far).run(job, whole.of(job.role))
        self.refresh()
        return True

    def _shares(self) -> Shares:
        config = self.sweep.config
        if not wants_measuring(config):
            alike = Shares(trial_resources(config))
            if alike.common.left_over:
                progress.info(alike.common.left_over)
            return alike
        at_work = {self.sweep.by_key[key].role for key in self.missing()}
        found = known_usage(self.sweep, at_work, self._measure, places(private=config.resources.address is None))
        part = shares(config, [role for role in Role if role in at_work], per_gpu(found))
        for line in lines(found, part):
            progress.info(line)
        return part

    def _measure(self, sweep: Sweep, jobs: Sequence[Job], place: Place) -> Found:
        return measure(sweep, jobs, place, self.far.exchange)

    def _round(self, now: Round, part: Shares) -> None:
        os.environ["TUNE_MAX_PENDING_TRIALS_PG"] = str(part.most)
        restore, self.restore = self.restore, None
        held = {job.key for job in self.sweep.jobs} - now.keys
        queue = JobQueue(self.sweep.jobs, self.done(), check=self._is_there, places=part.places, held=held)
        records = Records(self.sweep.by_key, self.sweep.output)
        callbacks: list[Any] = [self.gentle, QueueSync(queue), self.lines, records, TrimMetrics()]
        for watcher in self.watchers:
            watcher.round((now.keys | waiting_for_tunings(self.sweep.jobs, self.missing())) - self.done(), part)
        callbacks += [*self.loggers, *self.watchers]
        if self.sweep.config.resources.address:
            callbacks.append(NodeLosses())
        if self.sweep.config.resources.address and not now.attempt:
            callbacks.append(Capacity(queue, part, self.sweep.config.resources.max_concurrent, self._resized))
        self.lines.failed_now.clear()
        self.gentle.arm(queue)
        stopped: Failure | None = None
        try:
            # A trial whose worker was killed is restarted at once; in later rounds each failure counts.
            run_round(
                self.sweep,
                queue,
                shares=part,
                callbacks=callbacks,
                restore=restore,
                restarts=0 if now.attempt or self.fail_fast else 1,
                exchange=self.far.exchange,
            )
        except Exception as error:
            # What Tune, Ray or a restored state can raise is unknown; the next round is fresh and needs none of it.
            if isinstance(error, HpmkdError) and restore is None:
                raise
            stopped = failure_of_round(error, keep_error(self.sweep, error))
        finally:
            self.gentle.disarm()
        self.refresh()
        if self.stop.caught is None:
            finish_round(self.sweep)
            self._settle(now, queue, stopped, records, restored=restore is not None)

    def _resized(self, part: Shares) -> None:
        for watcher in self.watchers:
            watcher.resized(part)

    def _settle(self, now: Round, queue: JobQueue, stopped: Failure | None, records: Records, restored: bool) -> None:
        """After a round: what has failed in it, and, where it was stopped, says so."""
        tried = now.keys - self.done()
        if stopped is not None and restored:
            progress.info(f"Tune could not go on with the round of before: {stopped}")
        elif stopped is not None:
            self.attempts.round_stopped()
            # Whose fault it was is unknown; where nothing ran, it is that of all.
            tried &= {*queue.live.values(), *self.lines.failed_now} or now.keys
            progress.error(f"Tune stopped this round, {count(len(tried), 'model')} failed in it: {stopped}")
        for key in self._count(tried, stopped, restored):
            records.recorder.failed(key, self.lines.failed[key].reason)

    def _count(self, tried: Collection[str], stopped: Failure | None, restored: bool) -> list[str]:
        """Notes what failed. A job that was ready and has neither a file nor an error failed too, or we would try it
        for ever; but for a restored round, which may hold fewer trials than it should.

        Returns:
            Keys of those that failed because their round was stopped.
        """
        done, ended = self.done(), []
        for key in sorted(tried):
            ready = all(parent.key in done for parent in self.sweep.by_key[key].parents)
            if key in self.lines.failed_now and key in self.lines.failed:
                self.attempts.failed(key, self.lines.failed[key].kind)
            elif ready and not restored:
                self.attempts.failed(key, stopped.kind if stopped else "error")
                if stopped:
                    self.lines.failed[key] = stopped
                    ended.append(key)
        return ended

    def _is_there(self, job: Job) -> bool:
        return inspect_job(job, self.sweep.output).good or (
            self.far.fetch(job) and inspect_job(job, self.sweep.output).good
        )

    def refresh(self) -> None:
        """Verifies what was missing."""
        self.far.fetch_owed()
        for key in self.missing():
            self.findings[key] = inspect_job(self.sweep.by_key[key], self.sweep.output)

    def missing(self) -> list[str]:
        """Keys of the jobs without a file that verifies."""
        return [key for key, finding in self.findings.items() if not finding.good]

    def done(self) -> set[str]:
        """Keys of the others; what the audit left out (logits caches that nobody needs) is not to be made."""
        return {job.key for job in self.sweep.jobs} - set(self.missing())

    def reasons(self) -> dict[str, Failure]:
        """Why each missing model is missing."""
        return {key: self.lines.failed.get(key) or self._why(key) for key in self.missing()}

    def _why(self, key: str) -> Failure:
        parents = self.sweep.by_key[key].parents
        waits = [parent.key for parent in parents if not self.findings[parent.key].good]
        if waits:
            return Failure("waits", f"waits for {', '.join(waits)}")
        if self.fail_fast and self.lines.failed:
            return Failure("waits", "left out, because another model failed first (--fail-fast)")
        return Failure("error", "its trial left no model file")
