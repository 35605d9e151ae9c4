"""How Tune is brought to its end, with a stand-in for Tune's own handler."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from hpmkd.cluster.stop_signals import StopSignals
from hpmkd.plan.events import EpochEnded, EpochResult, Event, Failed, Finished, Resumed, StepsSaved
from hpmkd.plan.schedule import Places
from hpmkd.store.output_dir import OutputDir
from hpmkd.sweep import graceful_stop as module
from hpmkd.sweep.graceful_stop import GracefulStop
from hpmkd.sweep.reports import to_report
from hpmkd.sweep.searcher import JobQueue

pytestmark = pytest.mark.usefixtures("hangup_as_usual")
EPOCH = EpochEnded("b", EpochResult(3, 1.0, {}, 50.0, 0.1, 1.0, 9))
FINISHED = Finished("b", "trained", 90.0, 1.0)


@dataclass
class Trial:
    """What Tune tells of a trial."""

    trial_id: str
    status: str = "RUNNING"


class FakeTune:
    """Does as `tune.run` does: takes SIGINT over, and puts back what it found at the first one."""

    def __init__(self, gentle: GracefulStop, *trials: Trial) -> None:
        self.ended, self.gentle, self.trials = False, gentle, list(trials)
        self.queue = JobQueue([], set(), lambda job: True, Places.alike(1))
        gentle.arm(self.queue)
        self.before = signal.signal(signal.SIGINT, self.handle)
        self.step()

    def handle(self, number: int, frame: Any) -> None:
        self.ended = True
        signal.signal(signal.SIGINT, self.before)

    def step(self) -> None:
        self.gentle.on_step_begin(0, self.trials)

    def report(self, trial: Trial, event: Event) -> None:
        self.gentle.on_trial_result(0, self.trials, trial, to_report(event))


@pytest.fixture
def gentle(tmp_path: Path) -> Iterator[GracefulStop]:
    with StopSignals() as stop:
        yield GracefulStop(stop, OutputDir(tmp_path))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_tune_ends_when_all_that_run_have_saved(
    number: signal.Signals, gentle: GracefulStop, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "hpmkd")
    first, second = Trial("a"), Trial("b")
    tune = FakeTune(gentle, first, second, Trial("c", "PENDING"))
    tune.step()
    assert not gentle.output.stop_file.exists()
    assert not tune.queue.stopping
    signal.raise_signal(number)
    tune.step()
    assert gentle.output.stop_file.exists(), "the trials are asked"
    assert tune.queue.stopping, "nothing new starts"
    tune.report(second, StepsSaved("b", 1, of=3, steps=7))
    tune.report(first, StepsSaved("a", 1, of=3, steps=7, saved_to_stop=True))
    tune.report(second, Resumed("b", 2, 3))
    tune.report(second, EPOCH)
    tune.step()
    assert not tune.ended
    tune.report(second, FINISHED)
    tune.step()
    assert tune.ended
    assert not gentle.output.stop_file.exists()
    assert caplog.messages == ["stopping: saving 2 running trials; interrupt again to stop at once"]


def test_a_long_epoch_is_not_waited_for(gentle: GracefulStop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SAVE_SECONDS", 0)
    tune = FakeTune(gentle, Trial("a"))
    signal.raise_signal(signal.SIGTERM)
    tune.step()
    assert tune.ended


def test_a_trial_that_died_meanwhile_is_not_waited_for(gentle: GracefulStop) -> None:
    trial = Trial("a")
    tune = FakeTune(gentle, trial)
    signal.raise_signal(signal.SIGTERM)
    tune.step()
    trial.status = "ERROR"
    tune.step()
    assert tune.ended


def test_the_second_round_is_watched_like_the_first(gentle: GracefulStop) -> None:
    first = FakeTune(gentle)
    gentle.disarm()
    assert not gentle.stop.graceful
    second = FakeTune(gentle, Trial("a"))
    signal.raise_signal(signal.SIGINT)
    second.step()
    assert (first.queue.stopping, second.queue.stopping) == (False, True)
    second.trials.clear()
    second.step()
    assert second.ended
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


def test_a_full_disk_ends_tune_all_the_same(gentle: GracefulStop, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path) -> None:
        raise OSError(28, "No space left on device")

    trial = Trial("a")
    tune = FakeTune(gentle, trial)
    monkeypatch.setattr(Path, "touch", full)
    signal.raise_signal(signal.SIGTERM)
    tune.step()
    tune.report(trial, FINISHED)
    tune.step()
    assert tune.ended


@pytest.mark.parametrize("diverged", [False, True])
@pytest.mark.parametrize("fail_fast", [False, True])
def test_the_first_failure_stops_where_that_is_asked_for(
    fail_fast: bool, diverged: bool, gentle: GracefulStop, caplog: pytest.LogCaptureFixture
) -> None:
    """The others save their newest epoch, as when the user stops the sweep."""
    caplog.set_level("INFO", "hpmkd")
    gentle.fail_fast = fail_fast
    bad, other = Trial("a"), Trial("b")
    tune = FakeTune(gentle, bad, other)
    if diverged:
        tune.report(bad, Failed("a", "loss is nan"))
        bad.status = "TERMINATED"
    else:
        bad.status = "ERROR"
        gentle.on_trial_error(0, tune.trials, bad)
    tune.step()
    assert gentle.output.stop_file.exists() == fail_fast
    assert not tune.ended
    tune.report(other, replace(EPOCH, saved_to_stop=True))
    tune.step()
    assert tune.ended == fail_fast
    assert ("stopping at the first failure (--fail-fast): saving 1 running" in caplog.text) == fail_fast
