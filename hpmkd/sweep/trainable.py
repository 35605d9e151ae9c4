"""What a Ray worker runs: one trial, one model."""

from __future__ import annotations

import math
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ray import tune

from hpmkd.audit.sweep_dir import open_sweep
from hpmkd.errors import EnvironmentProblem
from hpmkd.plan.events import EpochEnded, EpochResult, Failed, Finished, JobProfile, Resumed, Unsent
from hpmkd.plan.job import Job
from hpmkd.store.epoch_log import EpochLog, epoch_file
from hpmkd.store.output_dir import OutputDir
from hpmkd.sweep.device_setup import set_up
from hpmkd.sweep.on_node import NOTHING, Needs, ready_node
from hpmkd.sweep.pauses import Pauses, wait_for_the_end
from hpmkd.sweep.reports import to_report
from hpmkd.sweep.tensorboard import EventFiles
from hpmkd.timings import Timings

if TYPE_CHECKING:
    from hpmkd.mirror.branch import Branch
    from hpmkd.store.epoch_checkpoint import SaveSchedule
    from hpmkd.training.op_profiler import Operators
    from hpmkd.training.trial import SavableEpoch, SavableSteps

# One driver takes the reports of all trials, 4 ms each: 16 trials with epochs of 40 ms would keep it busy. So a trial
# makes one each half a second, and where very many run side by side so few that they take half of its time at most.
_REPORT_SECONDS, _REPORT_SECONDS_PER_TRIAL = 0.5, 0.008


def report_seconds(side_by_side: int) -> float:
    """Between two reports of a trial about epochs, where so many run side by side."""
    return max(_REPORT_SECONDS, _REPORT_SECONDS_PER_TRIAL * side_by_side)


def train_model(
    config: dict[str, Any], output: str, device: str, gpu_shares: Mapping[str, float], *,
    every: float = _REPORT_SECONDS, needs: Needs = NOTHING,
) -> None:  # fmt: skip
    """Trains the job named in `config` and reports each epoch; checkpoints when they are due.

    Args:
        config: `job` is the job's key; the rest is for people who read Tune's records.
        output: the sweep's folder, given anew at every start, so that it may have moved.
        device: `cpu` or `cuda`.
        gpu_shares: role of a trial's job -> its share of a GPU.
        every: `report_seconds` of the round.
        needs: see `ready_node`.
    """
    timings, start = Timings(), time.monotonic()
    with ready_node(OutputDir(Path(output)), needs) as branch:
        _train(config, output, device, timings=timings, start=start, gpu_shares=gpu_shares, every=every, branch=branch)


def _train(
    config: dict[str, Any], output: str, device: str, *, timings: Timings, start: float,
    gpu_shares: Mapping[str, float], every: float, branch: Branch | None,
) -> None:  # fmt: skip
    import torch

    from hpmkd.store.epoch_checkpoint import SaveSchedule
    from hpmkd.training.op_profiler import Operators
    from hpmkd.training.trial import run_job

    sweep = open_sweep(Path(output))
    job, record, resources = sweep.by_key[config["job"]], sweep.config.record, sweep.config.resources
    before, where = tune.get_checkpoint(), torch.device(device)
    if branch is not None:
        branch.fetch(job)
    set_up(where, job, resources, gpu_shares[job.role])
    # Of students the first run stands for all: watching costs time, and they do the same.
    watch = Operators(where) if record.profile and job.run in (None, 1) else None
    timings.add("setup", time.monotonic() - start)
    with EventFiles(sweep.output.tensorboard / job.key if record.tensorboard else None) as curves:
        reporter = Reporter(
            job, sweep.output, SaveSchedule(record.checkpoint_overhead), curves, every=every, branch=branch
        )
        events = run_job(
            job, sweep.output, data=sweep.config.data, device=where, timings=timings, pause=reporter.between,
            candidates=(Path(before.path),) if before is not None else (), graph=resources.cuda_graph,
            keep_predictions=record.predictions,
        )  # fmt: skip
        _follow(events, reporter, watch=watch, timings=timings, profile=record.profile)


def _follow(
    events: Iterator[Resumed | SavableEpoch | Finished | Failed],
    reporter: Reporter,
    watch: Operators | None,
    timings: Timings,
    profile: bool,
) -> None:
    """Has everything reported that happens; with `profile` the end says where the time went."""
    rows: list[dict[str, Any]] = []
    for event in events:
        if isinstance(event, Resumed):
            with timings.part("report"):
                reporter.resumed(event)
        elif isinstance(event, Finished | Failed):
            reporter.ended(replace(event, profile=JobProfile(timings.seconds, rows)) if profile else event)
        else:
            with timings.part("profile"):
                rows += watch.ended(event.event.result.epoch) if watch else []
            with timings.part("report"):
                reporter.epoch(event)
    if watch:
        watch.close()


class Reporter:
    """Reports a job's events to Tune, with files where there are any, and draws its curves.

    Args:
        job: what is trained.
        output: the sweep's folder.
        schedule: says when an epoch's checkpoint is due.
        curves: for TensorBoard.
        every: so many seconds at least lie between two reports, but for those with a checkpoint.
        branch: of the output on this node, if it may not be seen here.
    """

    def __init__(
        self, job: Job, output: OutputDir, schedule: SaveSchedule, curves: EventFiles, every: float = _REPORT_SECONDS,
        branch: Branch | None = None,
    ) -> None:  # fmt: skip
        self.branch = branch
        self.job, self.output, self.schedule, self.curves, self.every = job, output, schedule, curves, every
        self._earlier: list[EpochResult] = []  # those that the next report will tell of, too
        self._log = EpochLog(epoch_file(output, job.key), job.fingerprint)
        self._reported, self._ended = -math.inf, -math.inf  # when the last report was made, and the last epoch
        self._pauses = Pauses(schedule, output.stop_file)

    def resumed(self, event: Resumed) -> None:
        """Reports that the job continues."""
        self._log.begin(event.epoch)
        tune.report(to_report(event))

    def epoch(self, epoch: SavableEpoch) -> None:
        """The report of an epoch: with a checkpoint where one is due or the sweep is being stopped.

        An epoch that ends soon after the last report waits for the next one, and the last epoch for the job's end.
        """
        result, self._ended = epoch.event.result, time.monotonic()
        self.curves.epoch(result)
        self._log.add(result)
        last, stopping = result.epoch == result.of, self.output.stop_file.exists()
        save = not last and (stopping or self.schedule.due())
        if last or (not save and time.monotonic() - self._reported < self.every):
            self._earlier.append(result)
            return
        event = replace(epoch.event, saved_to_stop=save and stopping, earlier=tuple(self._earlier))
        self._earlier.clear()
        if save:
            self._save(epoch.save, to_report(event), stopping)
        else:
            tune.report(to_report(event))
        self._reported = time.monotonic()

    def between(self, paused: Callable[[], SavableSteps]) -> None:
        """Between two steps: the report of a checkpoint, where one is due or the sweep is being stopped."""
        why = self._pauses.due()
        if not why:
            return
        steps = paused()
        untold = self._untold()
        if untold is not None:
            tune.report(to_report(untold))
        event = replace(steps.event, saved_to_stop=why == "stop")
        self._save(steps.save, to_report(event), why == "stop")

    def _save(self, save: Callable[[Path], None], report: dict[str, Any], stopping: bool) -> None:
        """Reports with a checkpoint; where the sweep is being stopped, nothing more is done."""
        start = time.monotonic()
        self._saved(save, report)
        self.schedule.saved(time.monotonic() - start)
        if stopping:
            wait_for_the_end(self.output.stop_file)

    def _saved(self, save: Callable[[Path], None], report: dict[str, Any]) -> None:
        """Reports with a checkpoint; without one where it cannot be written."""
        before = self.output.saved_folders(self.job)
        try:
            if self.branch is not None:
                # The trial may start again on a node that does not see them, where Tune would fail it.
                self.branch.keep_state(self.job, save)
                tune.report(report)
                return
            with tempfile.TemporaryDirectory(prefix=self.output.scratch_prefix, ignore_cleanup_errors=True) as folder:
                save(Path(folder))
                tune.report(report, checkpoint=tune.Checkpoint.from_directory(folder))
        except (OSError, EnvironmentProblem):
            # A full disk costs the checkpoint, not the trial: what is left of it is room for the model.
            for torn in self.output.saved_folders(self.job) - before:
                shutil.rmtree(torn, ignore_errors=True)
            tune.report(report)

    def _unsent(self, why: str) -> None:
        """The model waits here until it can be copied."""
        tune.report(to_report(Unsent(self.job.key, why)))

    def _untold(self) -> EpochEnded | None:
        """The epochs that have waited for the next report, if there are any."""
        if not self._earlier:
            return None
        *earlier, result = self._earlier
        self._earlier.clear()
        return EpochEnded(self.job.key, result, earlier=tuple(earlier), ago=time.monotonic() - self._ended)

    def ended(self, event: Finished | Failed) -> None:
        """The last report: with the model, if one was made, as Tune's checkpoint."""
        from hpmkd.store.result_file import verify
        from hpmkd.training.captures import failure

        before = self._untold()
        if self.branch is not None and isinstance(event, Finished):
            self.branch.send_result(self.job, self._unsent)
        event = replace(event, spoiled=failure())
        if isinstance(event, Finished) and event.status == "trained":
            self.curves.end(event.accuracy_pct)
        if isinstance(event, Failed) or event.status == "found":
            tune.report(to_report(event, before))
            return
        path = self.output.model_file(self.job)
        verify(path)
        with tempfile.TemporaryDirectory(prefix=self.output.scratch_prefix) as folder:
            shutil.copyfile(path, Path(folder) / f"model{path.suffix}")
            tune.report(to_report(event, before), checkpoint=tune.Checkpoint.from_directory(folder))
