"""What a trial reports to Tune, and what it does where a checkpoint cannot be written."""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from ray import tune
from support.builders import make_config, make_jobs

from hpmkd.config.load import to_yaml
from hpmkd.config.specs import spec_to_json
from hpmkd.data.cache import describe
from hpmkd.errors import EnvironmentProblem
from hpmkd.files import commit_bytes, commit_json
from hpmkd.plan.events import EpochEnded, EpochResult, Failed, StepsSaved
from hpmkd.plan.job import Job
from hpmkd.store.epoch_checkpoint import SaveSchedule
from hpmkd.store.output_dir import OutputDir, trial_folder
from hpmkd.sweep import trainable as module
from hpmkd.sweep.reports import events_of, from_report, spoiled
from hpmkd.sweep.tensorboard import EventFiles
from hpmkd.sweep.trainable import Reporter, report_seconds, train_model
from hpmkd.training import captures
from hpmkd.training.trial import SavableEpoch, SavableSteps

Save = Callable[[Path], None]


@pytest.fixture
def job(cache_dir: Path) -> Job:
    return make_jobs(make_config(cache_dir))["student_Digits_Direct_run1"]


@pytest.fixture
def reports(monkeypatch: pytest.MonkeyPatch) -> list[tuple[dict[str, Any], bool]]:
    """Metrics of every report that arrived, and whether a checkpoint came with it."""
    seen: list[tuple[dict[str, Any], bool]] = []

    def report(metrics: dict[str, Any], checkpoint: tune.Checkpoint | None = None) -> None:
        seen.append((dict(metrics), checkpoint is not None))

    monkeypatch.setattr(tune, "report", report)
    return seen


def report_one(job: Job, output: OutputDir, save: Save) -> None:
    """The report of the first epoch of three, with a checkpoint that is due."""
    schedule = SaveSchedule(overhead=1.0)
    schedule.last -= 60
    event = EpochEnded(job.key, EpochResult(1, 2.0, {"ce": 2.0}, 50.0, 0.1, 1.0, 3))
    Reporter(job, output, schedule, EventFiles(None)).epoch(SavableEpoch(event, save))
    assert not schedule.due(), "a save that failed is not tried again at once"


def test_a_checkpoint_that_is_due_goes_with_the_report(
    tmp_path: Path, job: Job, reports: list[tuple[dict[str, Any], bool]]
) -> None:
    report_one(job, OutputDir(tmp_path), lambda folder: (folder / "epoch.pt").write_bytes(b"x") and None)
    ((metrics, checkpoint),) = reports
    assert checkpoint
    event = from_report(metrics)
    assert isinstance(event, EpochEnded)
    assert (event.job, event.result.epoch, event.saved_to_stop) == (job.key, 1, False)


@pytest.mark.parametrize(
    "error", [EnvironmentProblem("here", found="full"), OSError(errno.ENOSPC, "No space left on device")]
)
def test_a_checkpoint_that_cannot_be_written_costs_only_itself(
    tmp_path: Path, job: Job, reports: list[tuple[dict[str, Any], bool]], error: Exception
) -> None:
    def fail(folder: Path) -> None:
        raise error

    report_one(job, OutputDir(tmp_path), fail)
    ((metrics, checkpoint),) = reports
    assert not checkpoint
    assert metrics["epoch"] == 1


def test_what_a_full_disk_left_of_a_checkpoint_is_removed(
    tmp_path: Path, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tune copies the checkpoint into the output, and that disk is full; an older checkpoint stays."""
    trial = OutputDir(tmp_path).tune / "round000" / trial_folder(job)
    older, torn = trial / "checkpoint_000000", trial / "checkpoint_000001"
    older.mkdir(parents=True)
    seen = []

    def report(metrics: dict[str, Any], checkpoint: tune.Checkpoint | None = None) -> None:
        seen.append(metrics["epoch"])
        if checkpoint is not None:
            torn.mkdir()
            (torn / "epoch.pt").write_bytes(b"half")
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(tune, "report", report)
    report_one(job, OutputDir(tmp_path), lambda folder: None)
    assert seen == [1, 1]
    assert older.exists()
    assert not torn.exists()


def pauses(job: Job, output: OutputDir, save: Save, **schedule: float) -> Reporter:
    """A reporter, after a call between two steps where a checkpoint by time, if `last` says so, is due."""
    made = SaveSchedule(overhead=1.0)
    made.last -= schedule.get("last", 0.0)
    reporter = Reporter(job, output, made, EventFiles(None))
    reporter._pauses._next = 0.0
    reporter.between(lambda: SavableSteps(StepsSaved(job.key, 1, of=3, steps=7), save))
    return reporter


@pytest.mark.parametrize(("last", "saves"), [(1.0, False), (59.0, False), (61.0, True)])
def test_within_an_epoch_a_checkpoint_is_made_once_a_minute(
    tmp_path: Path, job: Job, reports: list[tuple[dict[str, Any], bool]], last: float, saves: bool
) -> None:
    reporter = pauses(job, OutputDir(tmp_path), lambda folder: None, last=last)
    assert [from_report(metrics) for metrics, checkpoint in reports if checkpoint] == (
        [StepsSaved(job.key, 1, of=3, steps=7)] if saves else []
    )
    reporter.between(lambda: pytest.fail("it was asked a moment ago"))


def test_within_an_epoch_a_sweep_that_is_stopped_is_saved_at_once(
    tmp_path: Path, job: Job, reports: list[tuple[dict[str, Any], bool]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the epochs that have waited for a report, and nothing more is trained until the end."""
    output, waited = OutputDir(tmp_path), []
    output.stop_file.parent.mkdir(parents=True, exist_ok=True)
    reporter = Reporter(job, output, SaveSchedule(1.0), EventFiles(None))
    for epoch in (1, 2):
        result = EpochResult(epoch, 2.0, {"ce": 2.0}, 50.0, 0.1, 1.0, 9)
        reporter.epoch(SavableEpoch(EpochEnded(job.key, result), lambda folder: pytest.fail("not due")))
    output.stop_file.touch()
    reporter._pauses._next = 0.0
    monkeypatch.setattr(module, "wait_for_the_end", waited.append)
    reporter.between(lambda: SavableSteps(StepsSaved(job.key, 2, of=9, steps=7), lambda folder: None))
    first, second, third = (from_report(metrics) for metrics, _ in reports)
    assert isinstance(first, EpochEnded)
    assert isinstance(second, EpochEnded)
    assert (first.result.epoch, second.result.epoch) == (1, 2)
    assert third == StepsSaved(job.key, 2, of=9, steps=7, saved_to_stop=True)
    assert [checkpoint for _, checkpoint in reports] == [False, False, True]
    assert waited == [output.stop_file]


def test_within_an_epoch_a_full_disk_costs_the_checkpoint_alone(
    tmp_path: Path, job: Job, reports: list[tuple[dict[str, Any], bool]]
) -> None:
    def fail(folder: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    reporter = pauses(job, OutputDir(tmp_path), fail, last=100.0)
    ((_, checkpoint),) = reports
    assert not checkpoint
    reporter._pauses._next = 0.0
    reporter.between(lambda: pytest.fail("it is not tried again at once"))


class Clock:
    """Stands in for `time`; each epoch takes so long."""

    now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.mark.parametrize(("seconds", "most"), [(0.04, 10), (0.3, 52), (2.0, 100)])
def test_short_epochs_are_reported_together(
    tmp_path: Path,
    job: Job,
    reports: list[tuple[dict[str, Any], bool]],
    seconds: float,
    most: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One driver serves all trials. No epoch is lost to the curves."""
    clock, schedule = Clock(), SaveSchedule(overhead=0.05)
    monkeypatch.setattr(module, "time", clock)
    schedule.due = lambda: False  # type: ignore[method-assign]
    reporter = Reporter(job, OutputDir(tmp_path), schedule, EventFiles(None))
    for epoch in range(1, 101):
        clock.now += seconds
        event = EpochEnded(job.key, EpochResult(epoch, 1 / epoch, {}, 50.0, 0.1, 1.0, 100))
        reporter.epoch(SavableEpoch(event, lambda folder: None))
    reporter.ended(Failed(job.key, "the look at the test images found a number that is none"))
    assert len(reports) <= most
    events = [event for metrics, _ in reports for event in events_of(metrics)]
    assert len(events) >= 100 * seconds / max(seconds, 0.5) / 2 - 1
    told = [result for event in events if isinstance(event, EpochEnded) for result in event.results]
    assert [result.epoch for result in told] == list(range(1, 101))
    assert [result.train_loss for result in told] == [1 / epoch for epoch in range(1, 101)]


def test_what_waits_for_the_next_report_goes_with_a_checkpoint_or_a_failure(
    tmp_path: Path, job: Job, reports: list[tuple[dict[str, Any], bool]], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, schedule = Clock(), SaveSchedule(overhead=0.05)
    monkeypatch.setattr(module, "time", clock)
    reporter = Reporter(job, OutputDir(tmp_path), schedule, EventFiles(None))
    for epoch in range(1, 7):
        schedule.due = lambda epoch=epoch: epoch == 4  # type: ignore[misc]
        event = EpochEnded(job.key, EpochResult(epoch, 1.0, {}, 50.0, 0.1, 1.0, 9))
        reporter.epoch(SavableEpoch(event, lambda folder: (folder / "x").write_bytes(b"x") and None))
    reporter.ended(Failed(job.key, "epoch 7: the training loss is nan"))
    events = [event for metrics, _ in reports for event in events_of(metrics)]
    assert [[one.epoch for one in event.results] for event in events[:-1] if isinstance(event, EpochEnded)] == [
        [1],
        [2, 3, 4],
        [5, 6],
    ]
    assert [checkpoint for _, checkpoint in reports] == [False, True, False]
    assert isinstance(events[-1], Failed)


@pytest.mark.parametrize(("side_by_side", "seconds"), [(1, 0.5), (62, 0.5), (1000, 8.0), (4000, 32.0)])
def test_where_very_many_run_each_reports_less_often(
    tmp_path: Path,
    job: Job,
    reports: list[tuple[dict[str, Any], bool]],
    side_by_side: int,
    seconds: float,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """At 4 ms each, the reports of all of them take up to half of the driver's time."""
    clock, schedule = Clock(), SaveSchedule(overhead=0.05)
    monkeypatch.setattr(module, "time", clock)
    schedule.due = lambda: False  # type: ignore[method-assign]
    between = report_seconds(side_by_side)
    assert between == pytest.approx(seconds, rel=0.01)
    reporter = Reporter(job, OutputDir(tmp_path), schedule, EventFiles(None), every=between)
    for epoch in range(1, 100):
        clock.now += seconds / 3.9
        event = EpochEnded(job.key, EpochResult(epoch, 1.0, {}, 50.0, 0.1, 1.0, 100))
        reporter.epoch(SavableEpoch(event, lambda folder: None))
    assert len(reports) == 25


def test_the_last_report_says_whether_the_process_is_spoiled(
    tmp_path: Path, job: Job, reports: list[tuple[dict[str, Any], bool]], monkeypatch: pytest.MonkeyPatch
) -> None:
    reporter = Reporter(job, OutputDir(tmp_path), SaveSchedule(0.05), EventFiles(None))
    for why in ("", "operation not permitted when stream is capturing"):
        monkeypatch.setattr(captures, "failure", lambda why=why: why)
        reporter.ended(Failed(job.key, "nan"))
        assert spoiled(reports[-1][0]) == why


@pytest.mark.parametrize(("key", "share"), [("teacher_Digits", 0.5), ("student_Digits_Direct_run1", 0.125)])
def test_the_cap_is_that_of_the_trials_role(
    tmp_path: Path, cache_dir: Path, monkeypatch: pytest.MonkeyPatch, key: str, share: float
) -> None:
    class Prepared(Exception):
        pass

    def prepare(device: torch.device, of_gpu: float, *given: object, **named: object) -> None:
        raise Prepared(of_gpu)

    config, output = make_config(cache_dir), OutputDir(tmp_path)
    commit_bytes(output.config_file, to_yaml(config).encode())
    commit_json(output.datasets_file, [spec_to_json(spec) for spec in describe(config)])
    monkeypatch.setattr(tune, "get_checkpoint", lambda: None)
    monkeypatch.setattr("hpmkd.training.device.prepare_device", prepare)
    with pytest.raises(Prepared) as caught:
        train_model({"job": key}, str(tmp_path), "cuda", {"teacher": 0.5, "student": 0.125})
    assert caught.value.args == (share,)
