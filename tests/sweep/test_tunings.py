"""How a tuning ends, and who is told: made, recalled, stopped, failed."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from support.builders import make_config, make_jobs

from hpmkd.plan.job import Job
from hpmkd.sweep import tunings
from hpmkd.sweep.callbacks import EventLog
from hpmkd.sweep.failures import Attempts
from hpmkd.sweep.far_nodes import FarNodes
from hpmkd.sweep.tunings import Tuning

FOUND = {"chosen": {"fit.lr": 0.1}, "accuracy_pct": 90.0, "train_seconds": 7.0, "evidence": []}


class Told(EventLog):
    """What it is told, in order."""

    def __init__(self, jobs: dict[str, Job]) -> None:
        super().__init__(jobs, 1)
        self.said: list[Any] = []

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        self.said.append(("start", trial.config["job"]))

    def on_event(self, trial: Any, event: Any) -> None:
        self.said.append((event.status, event.accuracy_pct))

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        self.said.append(("end", trial.trial_id))


class Gentle:
    """`GracefulStop` as far as a tuning asks it."""

    def __init__(self, caught: int | None = None, failed: bool = False) -> None:
        self.stop, self.failed, self.fail_fast, self.armed = SimpleNamespace(caught=caught), failed, failed, False

    def arm(self, queue: None) -> None:
        self.armed = True

    def disarm(self) -> None:
        self.armed = False


@pytest.fixture(scope="module")
def jobs() -> dict[str, Job]:
    return make_jobs(make_config(baselines=["Direct-tuned"]))


def run(
    monkeypatch: pytest.MonkeyPatch, jobs: dict[str, Job], made: Any, gentle: Gentle
) -> tuple[Told, Attempts, list[Any]]:
    def tune_settings(*given: Any, **more: Any) -> Any:
        if isinstance(made, Exception):
            raise made
        return made

    output = SimpleNamespace(model_file=lambda job: job.key)
    monkeypatch.setattr(tunings, "tune_settings", tune_settings)
    monkeypatch.setattr(tunings, "verify", lambda path: SimpleNamespace(accuracy=80.0, train_time=5.0))
    told, attempts = Told(jobs), Attempts()
    sweep: Any = SimpleNamespace(config=SimpleNamespace(runs=1, resources=SimpleNamespace(address=None)), output=output)
    stop: Any = gentle
    job = jobs["search_Digits_Direct-tuned"]
    Tuning(sweep, [told], stop, attempts, far=FarNodes(sweep, None)).run(job, SimpleNamespace())  # type: ignore[arg-type]
    assert not gentle.armed
    assert told.said[0] == ("start", job.key)
    return told, attempts, told.said[1:]


KEY = "search_Digits_Direct-tuned"


def test_one_that_was_made(monkeypatch: pytest.MonkeyPatch, jobs: dict[str, Job]) -> None:
    told, attempts, said = run(monkeypatch, jobs, FOUND, Gentle())
    assert said == [("trained", 90.0), ("end", KEY)]
    assert (told.failed, attempts.failures) == ({}, {})


def test_one_from_the_shared_memory(monkeypatch: pytest.MonkeyPatch, jobs: dict[str, Job]) -> None:
    """It is said, and over for the live view."""
    _, attempts, said = run(monkeypatch, jobs, None, Gentle())
    assert said == [("recalled", 80.0), ("end", KEY)]
    assert attempts.failures == {}


def test_one_that_was_stopped_goes_on_another_time(monkeypatch: pytest.MonkeyPatch, jobs: dict[str, Job]) -> None:
    told, attempts, said = run(monkeypatch, jobs, None, Gentle(caught=2))
    assert (said, told.failed, attempts.failures) == ([], {}, {})


def test_fail_fast_ends_it_at_the_first_failure(monkeypatch: pytest.MonkeyPatch, jobs: dict[str, Job]) -> None:
    """What was tried until then is no whole tuning, and nothing is chosen."""
    told, attempts, said = run(monkeypatch, jobs, None, Gentle(failed=True))
    assert said == []
    assert "--fail-fast" in told.failed[KEY].reason
    assert attempts.failures == {KEY: ["error"]}


def test_one_that_fails(monkeypatch: pytest.MonkeyPatch, jobs: dict[str, Job]) -> None:
    told, attempts, said = run(monkeypatch, jobs, MemoryError("no room"), Gentle())
    assert said == []
    assert told.failed[KEY].kind == "killed"
    assert attempts.failures == {KEY: ["killed"]}
