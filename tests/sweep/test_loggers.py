"""Weights & Biases and MLflow: off unless asked for, refused in time where they are missing, never in the way."""

from __future__ import annotations

import importlib.util
import math
from pathlib import Path
from typing import Any

import pytest
from support.builders import make_config, make_jobs
from support.sweeps import restore, start

from hpmkd.config.machine import RecordConfig
from hpmkd.errors import EnvironmentProblem
from hpmkd.plan.events import EpochEnded, EpochResult, Finished, Resumed
from hpmkd.sweep import execution
from hpmkd.sweep.loggers import SafeLogger, mlflow_uri, open_loggers
from hpmkd.sweep.reports import to_report

KEY = "student_Digits_Direct_run1"


class Trial:
    """As much of Tune's trial as Ray's callbacks look at."""

    def __init__(self, key: str = KEY) -> None:
        self.trial_id, self.config = "a1", {"job": key, "run": 1}

    def __str__(self) -> str:
        return str(self.config["job"])


def follow(callback: Any, trial: Trial, fails: bool = False) -> None:
    """A training of two epochs, as Tune tells of it."""
    callback.on_trial_start(iteration=0, trials=[], trial=trial)
    callback.on_trial_result(iteration=0, trials=[], trial=trial, result=to_report(Resumed(KEY, 0, 2)))
    for epoch in (1, 2):
        event = EpochEnded(KEY, EpochResult(epoch, 1 / epoch, {"kd": math.nan}, 50.0, 0.1, 1.5 * epoch, 2))
        values = to_report(event) | {"time_this_iter_s": 9.0, "training_iteration": 40 + epoch}
        callback.on_trial_result(iteration=0, trials=[], trial=trial, result=values)
    if fails:
        callback.on_trial_error(iteration=0, trials=[], trial=trial)
    else:
        end = to_report(Finished(KEY, "trained", 71.5, 3.0))
        callback.on_trial_result(iteration=0, trials=[], trial=trial, result=end)
        callback.on_trial_complete(iteration=0, trials=[], trial=trial)
    callback.on_experiment_end(trials=[])


class Inner:
    """Notes what reaches Ray's callback; fails from call number `last` on."""

    def __init__(self, last: int = 99) -> None:
        self.calls: list[tuple[str, Any]] = []
        self.last = last

    def __getattr__(self, name: str) -> Any:
        def call(*given: Any) -> None:
            if len(self.calls) == self.last:
                raise ConnectionError("no route")
            self.calls.append((name, given[-1] if given else None))

        return call


def test_epochs_that_are_told_together_are_points_of_their_own() -> None:
    inner, trial = Inner(), Trial()
    results = [EpochResult(epoch, 1 / epoch, {}, 50.0, 0.1, 1.5 * epoch, 9) for epoch in (1, 2, 3)]
    event = EpochEnded(KEY, results[2], earlier=tuple(results[:2]))
    SafeLogger("mlflow", inner).on_trial_result(iteration=0, trials=[], trial=trial, result=to_report(event))
    assert [(given["training_iteration"], given["train_loss"]) for _, given in inner.calls] == [
        (1, 1),
        (2, 0.5),
        (3, 1 / 3),
    ]


def test_what_is_passed_on() -> None:
    inner = Inner()
    follow(SafeLogger("mlflow", inner), Trial())
    names = [name for name, _ in inner.calls]
    results = ["on_trial_result"] * 3
    assert names == ["on_trial_start", *results, "on_trial_complete", "on_experiment_end"]
    epoch = {"train_loss": 0.5, "validation_accuracy": 50.0, "lr": 0.1, "train_time": 3.0}
    assert inner.calls[2][1] == {**epoch, "training_iteration": 2}
    assert inner.calls[3][1] == {"accuracy": 71.5, "train_time": 3.0, "training_iteration": 2}


@pytest.mark.parametrize("last", range(5))
def test_one_that_fails_is_left_alone(last: int, caplog: pytest.LogCaptureFixture) -> None:
    """A raise in a callback would end Tune's whole run."""
    inner = Inner(last)
    follow(SafeLogger("mlflow", inner), Trial())
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert caplog.messages == ["mlflow: recording stopped, ConnectionError: no route; the training continues"]
    assert len(inner.calls) == last


@pytest.mark.parametrize("name", ["wandb", "mlflow"])
def test_a_missing_extra_is_named_before_anything_is_done(
    name: str, tmp_path: Path, cache_dir: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(execution, "prepare", lambda *_: pytest.fail("images were decoded before"))
    assert start(tmp_path / "out", cache_dir, f"--record.{name}", "mine") == 3
    message = capsys.readouterr().err
    assert f"record.{name}: the package {name} is not installed" in message
    assert f"pip install -e '.[{name}]'" in message
    assert not (tmp_path / "out" / "models").exists()
    assert start(tmp_path / "other", cache_dir, f"--record.{name}", "mine", "-n") == 3
    said = capsys.readouterr()
    assert said.err == message, "the dry run refuses what the run refuses"
    assert "dry run" not in said.out


def test_off_by_default_and_no_setting_of_a_model() -> None:
    assert open_loggers(RecordConfig(), "sweep") == []
    plain, logged = make_jobs(make_config()), make_jobs(make_config(record__mlflow="a", record__wandb="b"))
    assert {key: job.fingerprint for key, job in plain.items()} == {key: job.fingerprint for key, job in logged.items()}


def test_where_mlflow_writes(tmp_path: Path) -> None:
    assert mlflow_uri("http://host:5000") == "http://host:5000"
    assert mlflow_uri(str(tmp_path)) == f"sqlite:///{tmp_path}/mlflow.db"


def test_a_project_in_weights_and_biases(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ray's callback with what it is given; the service itself is not asked."""
    from ray.air.integrations import wandb as integration

    given: dict[str, Any] = {}

    class Recorder(Inner):
        def __init__(self, **values: Any) -> None:
            super().__init__()
            given.update(values)

    monkeypatch.setattr(integration, "WandbLoggerCallback", Recorder)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: "there")
    (made,) = open_loggers(RecordConfig(wandb="mine"), "sweep")
    assert (given["project"], given["group"], given["resume"]) == ("mine", "sweep", "allow")
    assert made.inner.calls[0][0] == "setup"


needs_mlflow = pytest.mark.skipif(importlib.util.find_spec("mlflow") is None, reason="the extra mlflow is missing")


@needs_mlflow
def test_a_store_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(EnvironmentProblem, match=r"record.mlflow: cannot be set up"):
        open_loggers(RecordConfig(mlflow=str(tmp_path / "file" / "folder")), "sweep")


def runs(folder: Path, experiment: str) -> dict[str, list[Any]]:
    """Name -> the runs of an experiment, read with MLflow's own client."""
    from mlflow.tracking import MlflowClient

    client = MlflowClient(mlflow_uri(str(folder)))
    found = client.get_experiment_by_name(experiment)
    assert found is not None
    made: dict[str, list[Any]] = {}
    for run in client.search_runs([found.experiment_id]):
        made.setdefault(run.info.run_name, []).append(run)
    return made


@needs_mlflow
def test_a_local_store_of_mlflow_holds_what_was_reported(tmp_path: Path) -> None:
    for fails in (False, True):  # the second opens the store as a later start does
        (callback,) = open_loggers(RecordConfig(mlflow=str(tmp_path / "store")), "sweep")
        follow(callback, Trial("failed" if fails else KEY), fails)
    found = runs(tmp_path / "store", "sweep")
    ((good,), (bad,)) = found[KEY], found["failed"]
    assert good.data.metrics == {
        "train_loss": 0.5, "validation_accuracy": 50.0, "lr": 0.1, "accuracy": 71.5, "train_time": 3.0,
        "training_iteration": 2,
    }  # fmt: skip
    assert good.data.params == {"job": KEY, "run": "1"}
    assert (good.info.status, bad.info.status) == ("FINISHED", "FAILED")


@needs_mlflow
@pytest.mark.slow
@pytest.mark.usefixtures("small_ray")
def test_a_sweep_and_a_restored_round_log(tmp_path: Path, cache_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder stands where the student's file should: it fails. Its round, left as after a kill, is restored later."""
    from hpmkd.sweep import driver

    output, store = tmp_path / "sweep", tmp_path / "store"
    inner = driver.run_round

    def in_the_way(*given: Any, **more: Any) -> Any:
        (output / "models" / f"{KEY}.pt" / "folder").mkdir(parents=True, exist_ok=True)
        return inner(*given, **more)

    with monkeypatch.context() as patch:
        patch.setattr(driver, "run_round", in_the_way)
        patch.setattr(driver, "finish_round", lambda sweep: None)
        assert start(output, cache_dir, "--baselines", "Direct", "--record.mlflow", str(store)) == 3
    before, rounds = runs(store, "sweep"), sorted((output / "tune").iterdir())
    assert [run.info.status for run in before["teacher_Digits"]] == ["FINISHED"]
    assert {run.info.status for run in before[KEY]} == {"FAILED"}
    assert restore(output) == 0
    assert sorted((output / "tune").iterdir()) == rounds, "no new round"
    (made,) = (run for run in runs(store, "sweep")[KEY] if run.info.status == "FINISHED")
    assert made.data.metrics["accuracy"] > 5
