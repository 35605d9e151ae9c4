"""Rounds that Tune does not bring to their end."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import ray
from ray.tune.error import TuneError
from support.plans import plan

from hpmkd.audit.sweep_dir import Sweep
from hpmkd.cluster.resources import Shares, TrialResources
from hpmkd.cluster.stop_signals import Interrupted, StopSignals
from hpmkd.config.sweep import DataConfig, RecordConfig, SweepConfig
from hpmkd.errors import EnvironmentProblem
from hpmkd.plan.job import Job
from hpmkd.store.inspection import Finding
from hpmkd.store.output_dir import OutputDir
from hpmkd.store.progress_log import read_all
from hpmkd.sweep import driver, tune_run
from hpmkd.sweep.searcher import DependencySearcher, JobQueue

GUILTY = "student_D0_AT_run1"
LOW_MEMORY = (
    "1 worker(s) were killed due to the node running low on memory. Memory on the node (IP: 127.0.0.1, ID: 7c) was "
    "4.43GB used / 23.54GB limit (0.188)\nOOM kill reason: Memory usage 4758798336B exceeded threshold of 505530208B"
)


def out_of_memory() -> Exception:
    """What Tune makes of the memory monitor's error."""
    error = RuntimeError(f"Caught unexpected exception: {LOW_MEMORY}")
    error.__cause__ = ray.exceptions.OutOfMemoryError(LOW_MEMORY)
    return error


ERRORS: list[tuple[Callable[[], Exception], str]] = [
    (out_of_memory, "ran low on memory: 4.43GB of 23.54GB in use"),
    (lambda: ray.exceptions.NodeDiedError("the node is gone"), "NodeDiedError: the node is gone"),
    (lambda: TuneError("Traceback (most recent call last):\n  File x\nKeyError: 'mine'\n"), "KeyError: 'mine'"),
    (lambda: AssertionError(), "AssertionError: "),
    (lambda: KeyError("trial"), "KeyError: 'trial'"),
    (lambda: OSError(28, "No space left on device"), "No space left on device"),
    (lambda: EOFError("Ran out of input"), "EOFError: Ran out of input"),
    (lambda: ExceptionGroup("many", [ValueError("one")]), "many"),
]


class FakeRounds:
    """Trains what the searcher gives, `concurrent` side by side; raises as soon as `guilty` is among what runs."""

    def __init__(self, guilty: set[str], error: Callable[[], BaseException]) -> None:
        self.guilty, self.error = guilty, error
        self.made: set[str] = set()
        self.tried: list[list[str]] = []
        self.side: list[int] = []

    def __call__(self, sweep: Sweep, queue: JobQueue, shares: Shares, **more: Any) -> None:
        (sweep.output.tune / f"round{len(self.side):03d}").mkdir(parents=True)
        self.side.append(shares.most)
        searcher = DependencySearcher(queue)
        searcher.grid = {"dataset": ["D0"], "baseline": sweep.config.baselines, "run": [1, 2]}
        while True:
            running = {name: job for name in "abcdefgh" if isinstance(job := searcher.suggest(name), dict)}
            self.tried.append(sorted(job["job"] for job in running.values()))
            if self.guilty & set(self.tried[-1]):
                raise self.error()
            if not running:
                return
            for name, given in running.items():
                assert given["job"] not in self.made, "trained twice"
                self.made.add(given["job"])
                searcher.on_trial_complete(name)


@pytest.fixture
def begin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., driver.SweepState]:
    """A sweep that has four places, and takes its rounds from a stand-in."""

    def start(rounds: FakeRounds, fail_fast: bool = False) -> driver.SweepState:
        config = SweepConfig(
            datasets=["D0"], baselines=["Direct", "AT", "TAKD"], runs=2,
            data=DataConfig(cache_dir=str(tmp_path / "cache")), record=RecordConfig(tensorboard=False),
        )  # fmt: skip
        sweep = Sweep(config, OutputDir(tmp_path / "out"), plan(1, config.baselines, 2))

        def look(job: Job, output: OutputDir) -> Finding:
            return Finding(job.file_name, "good" if job.key in rounds.made else "missing", job=job)

        monkeypatch.setattr(driver, "inspect_job", look)
        monkeypatch.setattr(driver, "run_round", rounds)
        monkeypatch.setattr(driver.SweepState, "_shares", lambda self: Shares(TrialResources(1, 0, "cpu", 4)))
        findings = {job.key: look(job, sweep.output) for job in sweep.jobs}
        return driver.SweepState(sweep, findings, StopSignals(), [], fail_fast)

    return start


@pytest.mark.parametrize(("jobs", "seconds"), [(100, 5.0), (5000, 5.0), (100_000, 100.0)])
def test_tune_writes_the_state_of_many_jobs_less_often(jobs: int, seconds: float) -> None:
    """All of it each time, and nothing else meanwhile."""
    assert tune_run.state_seconds(jobs) == seconds


@pytest.mark.parametrize(("error", "words"), ERRORS)
def test_whatever_stops_a_round_costs_the_guilty_trial_alone(
    error: Callable[[], Exception],
    words: str,
    begin: Callable[..., driver.SweepState],
    caplog: pytest.LogCaptureFixture,
) -> None:
    rounds = FakeRounds({GUILTY}, error)
    state = begin(rounds)
    with caplog.at_level(logging.INFO, "hpmkd.progress"):
        state.run()
    assert rounds.made == {job.key for job in state.sweep.jobs} - {GUILTY}, "the others are made, once each"
    assert 2 <= sum(GUILTY in tried for tried in rounds.tried) <= 3
    assert sorted(rounds.side, reverse=True) == rounds.side, "with fewer side by side each time"
    assert rounds.side[-1] == 1
    failed = state.reasons()
    assert set(failed) == {GUILTY}
    assert words in failed[GUILTY].reason
    assert "\n" not in failed[GUILTY].reason
    log = Path(failed[GUILTY].log or "")
    assert log.is_relative_to(state.sweep.output.root)
    assert "Traceback" in log.read_text()
    assert read_all(state.sweep.output)[GUILTY].state == "failed", "hpmkd status shows it too"
    stopped = [record.message for record in caplog.records if "Tune stopped this round" in record.message]
    assert len(stopped) >= 2
    assert all(words in line and "Traceback" not in line for line in stopped)


@pytest.mark.parametrize("error", [out_of_memory, lambda: TypeError("Tune is broken")])
def test_where_every_round_is_stopped_the_sweep_ends(
    error: Callable[[], Exception], begin: Callable[..., driver.SweepState]
) -> None:
    """Everything ready is tried three times and no more, also where nothing was running when Tune stopped."""
    jobs = {job.key: job for job in plan(1, ["Direct", "AT", "TAKD"], 2)}
    rounds = FakeRounds(set(jobs), error)
    state = begin(rounds)
    state.run()
    assert not rounds.made
    ready = {key for key, job in jobs.items() if not job.parents}
    assert {key for tried in rounds.tried for key in tried} == ready
    assert len(rounds.side) <= 3 * len(ready)
    reasons = state.reasons()
    assert {key for key, failure in reasons.items() if failure.kind == "killed"} == ready
    assert {failure.kind for key, failure in reasons.items() if key not in ready} == {"waits"}


def test_where_tune_does_not_even_begin_the_sweep_ends(begin: Callable[..., driver.SweepState]) -> None:
    rounds = FakeRounds(set(), lambda: TypeError("Tune is broken"))
    state = begin(rounds)
    calls: list[int] = []

    def no_start(*given: Any, **more: Any) -> None:
        calls.append(1)
        raise TypeError("Tune is broken")

    driver.run_round = no_start  # type: ignore[assignment] - `begin` puts it back
    state.run()
    assert len(calls) == 3
    assert "Tune is broken" in str(state.reasons()["teacher_D0"])


@pytest.mark.parametrize(
    "fault", [KeyboardInterrupt(), Interrupted("Ray died"), EnvironmentProblem("the disk is full")]
)
def test_what_ends_the_sweep_still_does(fault: BaseException, begin: Callable[..., driver.SweepState]) -> None:
    rounds = FakeRounds({GUILTY}, lambda: fault)
    with pytest.raises(type(fault)):
        begin(rounds).run()
    assert len(rounds.side) == 1


def test_to_fail_fast_is_to_try_nothing_again(begin: Callable[..., driver.SweepState]) -> None:
    rounds = FakeRounds({GUILTY}, out_of_memory)
    state = begin(rounds, fail_fast=True)
    state.run()
    assert len(rounds.side) == 1
    reasons = state.reasons()
    assert "ran low on memory" in reasons[GUILTY].reason
    assert sum(GUILTY in tried for tried in rounds.tried) == 1


def test_a_restored_round_that_is_stopped_is_held_against_nobody(
    begin: Callable[..., driver.SweepState], caplog: pytest.LogCaptureFixture
) -> None:
    """Its state may be the fault: a fresh one follows, with as many side by side."""
    rounds = FakeRounds({GUILTY}, out_of_memory)
    state = begin(rounds)
    state.restore = state.sweep.output.tune
    rounds.error = lambda: (setattr(rounds, "guilty", set()), KeyError("a state of Tune's"))[1]  # type: ignore[func-returns-value]
    with caplog.at_level(logging.INFO, "hpmkd.progress"):
        state.run()
    assert rounds.side == [4, 4]
    assert not state.missing()
    assert "could not go on with the round of before: KeyError" in caplog.text
