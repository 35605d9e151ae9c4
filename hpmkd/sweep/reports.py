"""The events of a trial as Tune's flat result dicts, and back. The keys are those that people see in Tune's records,
TensorBoard, MLflow and Weights & Biases; nobody else spells them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal

from ray.tune import Callback

from hpmkd.plan.events import (
    EpochEnded,
    EpochResult,
    Event,
    Failed,
    Finished,
    JobProfile,
    Resumed,
    StepsSaved,
    Unsent,
    Worker,
)

_TERM, _EARLIER, _SPOILED, _AGO = "loss/", "earlier", "spoiled", "epoch_ago"
_ENDS: dict[str, Literal["trained", "recalled", "found"]] = {name: name for name in ("trained", "recalled", "found")}


class EventCallback(Callback):
    """A Tune callback that is given events instead of dicts; reports that are none of ours do not reach it."""

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        """Tune's hook: called for each report of a trial."""
        for event in events_of(result):
            self.on_event(trial, event)

    def on_event(self, trial: Any, event: Event) -> None:
        """What a trial has reported. Nothing here may raise: Tune would stop the whole sweep."""
        raise NotImplementedError


def curve_points(result: EpochResult) -> dict[str, float]:
    """What is drawn over epochs, by name: losses, validation accuracy in percent, learning rate."""
    return {
        "train_loss": result.train_loss,
        "validation_accuracy": result.validation_accuracy_pct,
        "lr": result.lr,
        **{f"{_TERM}{name}": value for name, value in result.terms.items()},
    }


def is_compared(name: str) -> bool:
    """Whether people compare it: losses, accuracies (percent), learning rate, seconds; Tune adds a dozen of its own."""
    return name in ("train_loss", "validation_accuracy", "lr", "accuracy", "train_time") or name.startswith(_TERM)


def chosen(report: Mapping[str, Any]) -> dict[str, float]:
    """The numbers of a report that people compare, if they are finite."""
    return {
        name: value
        for name, value in report.items()
        if is_compared(name) and isinstance(value, int | float) and math.isfinite(value)
    }


def spoiled(report: Mapping[str, Any]) -> str:
    """Why the process that made the report should train nothing more; empty: it may."""
    why = report.get(_SPOILED, "")
    return why if isinstance(why, str) else ""


def to_report(event: Event, before: EpochEnded | None = None) -> dict[str, Any]:
    """The flat dict for `tune.report`. Tune itself adds `hostname` and `pid`, where the event has no worker.

    Args:
        event: what to tell of.
        before: of a job that ends, its last epochs, if they are told of by the same report: one driver takes the
            reports of all trials, and `tune.report` waits for it.
    """
    report = {"job": event.job, **_values(event)}
    if before is not None:
        untold = {_EARLIER: [_of_epoch(one) for one in before.results], _AGO: before.ago}
        report = curve_points(before.result) | report | untold
    if isinstance(event, Finished | Failed):
        if event.profile is not None:
            report["profile"] = {"parts": dict(event.profile.parts), "operators": list(event.profile.operators)}
        if event.spoiled:
            report[_SPOILED] = event.spoiled
    if event.worker is not None:
        report |= {"hostname": event.worker.host, "pid": event.worker.pid}
    return report


def _values(event: Event) -> dict[str, Any]:
    if isinstance(event, Resumed):
        within = {"steps": event.steps} if event.steps else {}
        return {"status": "resumed", "epoch": event.epoch, "epochs": event.of, **within}
    if isinstance(event, Unsent):
        return {"status": "unsent", "message": event.message}
    if isinstance(event, StepsSaved):
        stop = {"saved_to_stop": True} if event.saved_to_stop else {}
        return {"status": "saved", "epoch": event.epoch, "epochs": event.of, "steps": event.steps, **stop}
    if isinstance(event, EpochEnded):
        stop = {"saved_to_stop": True} if event.saved_to_stop else {}
        before = {_EARLIER: [_of_epoch(one) for one in event.earlier]} if event.earlier else {}
        ago = {_AGO: event.ago} if event.ago else {}
        return {"status": "training", **_of_epoch(event.result), **stop, **before, **ago}
    if isinstance(event, Finished):
        numbers = {"accuracy": event.accuracy_pct, "train_time": event.train_seconds}
        return {"status": event.status, **numbers, "message": event.message}
    return {"status": "diverged", "accuracy": math.nan, "train_time": math.nan, "message": event.message}


def _of_epoch(result: EpochResult) -> dict[str, Any]:
    counts = {"epoch": result.epoch, "epochs": result.of, "train_time": result.train_seconds}
    return {**counts, **curve_points(result)}


def events_of(report: Mapping[str, Any]) -> tuple[Event, ...]:
    """All that a result dict of Tune tells of: the event that it holds, after epochs that waited for it."""
    event = from_report(report)
    if event is None:
        return ()
    if isinstance(event, EpochEnded):
        return (event,)
    try:
        *earlier, last = (_epoch(one) for one in report[_EARLIER])
        before = EpochEnded(event.job, last, worker=event.worker, earlier=tuple(earlier), ago=_seconds(report[_AGO]))
    except (KeyError, TypeError, ValueError, OverflowError):
        return (event,)
    return (before, event)


def from_report(report: Mapping[str, Any]) -> Event | None:
    """The event that a result dict of Tune holds; None where it is no report of ours, or not a whole one."""
    try:
        return _read(report)
    except (KeyError, TypeError, ValueError, OverflowError):
        return None


def _read(report: Mapping[str, Any]) -> Event | None:
    status, job = _text(report["status"]), _text(report["job"])
    worker = _worker(report)
    if status == "unsent":
        return Unsent(job, _text(report["message"]), worker=worker)
    if status in ("resumed", "saved"):
        return _between(report, status, job, worker)
    if status == "training":
        earlier = tuple(_epoch(one) for one in report.get(_EARLIER, ()))
        stop = report.get("saved_to_stop") is True
        ago = _seconds(report.get(_AGO, 0.0))
        return EpochEnded(job, _epoch(report), saved_to_stop=stop, worker=worker, earlier=earlier, ago=ago)
    if status == "diverged":
        message = _text(report["message"])
        return Failed(job, message, profile=_profile(report), worker=worker, spoiled=spoiled(report))
    if status in _ENDS:
        accuracy, seconds = _number(report["accuracy"]), _number(report["train_time"])
        return Finished(
            job,
            _ENDS[status],
            accuracy_pct=accuracy,
            train_seconds=seconds,
            message=_text(report["message"]),
            profile=_profile(report),
            worker=worker,
            spoiled=spoiled(report),
        )
    return None


def _between(report: Mapping[str, Any], status: str, job: str, worker: Worker | None) -> Resumed | StepsSaved:
    epoch, of = _whole(report["epoch"]), _whole(report["epochs"])
    if status == "resumed":
        return Resumed(job, epoch, of, worker=worker, steps=_whole(report.get("steps", 0)))
    stop = report.get("saved_to_stop") is True
    return StepsSaved(job, epoch, of, steps=_whole(report["steps"]), saved_to_stop=stop, worker=worker)


def _epoch(report: Mapping[str, Any]) -> EpochResult:
    terms = {name.removeprefix(_TERM): _number(value) for name, value in report.items() if name.startswith(_TERM)}
    return EpochResult(
        epoch=_whole(report["epoch"]),
        train_loss=_number(report["train_loss"]),
        terms=terms,
        validation_accuracy_pct=_number(report["validation_accuracy"]),
        lr=_number(report["lr"]),
        train_seconds=_number(report["train_time"]),
        of=_whole(report["epochs"]),
    )


def _worker(report: Mapping[str, Any]) -> Worker | None:
    host, pid = report.get("hostname"), report.get("pid")
    return None if host is None or pid is None else Worker(_text(host), _whole(pid))


def _profile(report: Mapping[str, Any]) -> JobProfile | None:
    found = report.get("profile")
    if found is None:
        return None
    parts = {_text(name): _number(value) for name, value in dict(found["parts"]).items()}
    return JobProfile(parts, [dict(row) for row in found["operators"]])


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(value)
    return value


def _whole(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(value)
    return value


def _number(value: Any) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise TypeError(value)
    return float(value)


def _seconds(value: Any) -> float:
    found = _number(value)
    if not 0 <= found < math.inf:
        raise ValueError(value)
    return found
