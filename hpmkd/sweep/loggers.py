"""Weights & Biases and MLflow, through Ray's own callbacks: optional, and their errors never stop a training."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hpmkd.config.machine import RecordConfig
from hpmkd.errors import EnvironmentProblem
from hpmkd.log import progress
from hpmkd.plan.events import EpochEnded, Event, Resumed
from hpmkd.sweep.preparation import need_loggers
from hpmkd.sweep.reports import EventCallback, chosen, to_report

# At the end of a round, for what is not uploaded yet; Ctrl-C waits for it too.
_UPLOAD_SECONDS = 10


def mlflow_uri(where: str) -> str:
    """Where MLflow keeps its runs: a URI as it is; of a folder (absolute) the database `mlflow.db` in it."""
    # MLflow's own store of plain files is no longer maintained, and newer versions refuse it.
    return where if "://" in where else f"sqlite:///{Path(where) / 'mlflow.db'}"


def open_loggers(record: RecordConfig, name: str) -> list[SafeLogger]:
    """The loggers that the config asks for, connected.

    Args:
        record: `wandb` (a project), `mlflow` (a URI, or the absolute path of a folder).
        name: of the sweep: the group in W&B, the experiment in MLflow.

    Raises:
        EnvironmentProblem: one is not installed, or cannot be reached or written.
    """
    need_loggers(record)
    made = []
    if record.wandb:
        made.append(_connect("wandb", lambda: _wandb(record.wandb, name)))
    if record.mlflow:
        made.append(_connect("mlflow", lambda: _mlflow(str(record.mlflow), name)))
    return made


def _wandb(project: str | None, group: str) -> Any:
    from ray.air.integrations.wandb import WandbLoggerCallback

    # A restored round continues the runs that it had.
    return WandbLoggerCallback(project=project, group=group, upload_timeout=_UPLOAD_SECONDS, resume="allow")


def _mlflow(where: str, experiment: str) -> Any:
    from ray.air.integrations.mlflow import MLflowLoggerCallback

    for chatty in ("mlflow", "alembic"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    if "://" not in where:
        Path(where).mkdir(parents=True, exist_ok=True)
    return MLflowLoggerCallback(tracking_uri=mlflow_uri(where), experiment_name=experiment)


def _connect(name: str, make: Callable[[], Any]) -> SafeLogger:
    try:
        callback = make()
        callback.setup()
    except Exception as error:
        raise EnvironmentProblem(
            f"record.{name}: cannot be set up",
            expected=f"a {name} that accepts records",
            found=f"{type(error).__name__}: {error}",
            todo=f"check its own settings, or leave --record.{name} out: nothing else depends on it",
        ) from error
    return SafeLogger(name, callback)


class SafeLogger(EventCallback):
    """Forwards events until the first error, which it reports once. An exception would end the whole Tune run.

    Args:
        name: for the line about the error.
        inner: one of Ray's callbacks, already set up.
    """

    def __init__(self, name: str, inner: Any) -> None:
        self.name, self.inner = name, inner
        self._steps: dict[str, int] = {}
        self._broken = False

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """A run begins there."""
        self._pass("on_trial_start", iteration, trials, trial)

    def on_event(self, trial: Any, event: Event) -> None:
        """The numbers of an epoch, or of the finished model; Tune's own are left out."""
        if isinstance(event, Resumed):
            return
        if not isinstance(event, EpochEnded):
            self._numbers(trial, self._steps.get(trial.trial_id, 0), to_report(event))
            return
        for result in event.results:
            self._steps[trial.trial_id] = result.epoch
            self._numbers(trial, result.epoch, to_report(EpochEnded(event.job, result)))

    def _numbers(self, trial: Any, step: int, report: dict[str, Any]) -> None:
        # Ray's callbacks for both services read the trial and its numbers alone.
        self._pass("on_trial_result", step, [], trial, chosen(report) | {"training_iteration": step})

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """The run is over."""
        self._pass("on_trial_complete", iteration, trials, trial)

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """The run failed."""
        self._pass("on_trial_error", iteration, trials, trial)

    def on_experiment_end(self, trials: list[Any], **info: Any) -> None:
        """The round is over."""
        self._pass("on_experiment_end", trials)

    def _pass(self, hook: str, *given: Any) -> None:
        if self._broken:
            return
        try:
            getattr(self.inner, hook)(*given)
        except Exception as error:
            self._broken = True
            progress.error(f"{self.name}: recording stopped, {type(error).__name__}: {error}; the training continues")
