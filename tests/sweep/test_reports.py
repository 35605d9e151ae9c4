"""Events come back from Tune's dicts as they went in; whatever else stands in such a dict is no event."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
from hpmkd.sweep.reports import EventCallback, chosen, curve_points, events_of, from_report, to_report

NAMES = st.text(max_size=12)
NUMBERS = st.floats()
COUNTS = st.integers(0, 10**6)
WORKERS = st.none() | st.builds(Worker, NAMES, COUNTS)
ROWS = st.fixed_dictionaries({"operator": NAMES, "calls": COUNTS, "seconds": NUMBERS})
PROFILES = st.none() | st.builds(JobProfile, st.dictionaries(NAMES, NUMBERS, max_size=3), st.lists(ROWS, max_size=2))
RESULTS = st.builds(
    EpochResult, COUNTS, NUMBERS, st.dictionaries(NAMES, NUMBERS, max_size=3), NUMBERS, NUMBERS, NUMBERS, COUNTS
)
ENDS = st.sampled_from(["trained", "recalled", "found"])
SECONDS = st.floats(0, 1e9)
EPOCHS = st.builds(
    EpochEnded, NAMES, RESULTS, st.booleans(), WORKERS, st.lists(RESULTS, max_size=2).map(tuple), SECONDS
)
EVENTS: st.SearchStrategy[Event] = st.one_of(
    st.builds(Resumed, NAMES, COUNTS, COUNTS, WORKERS, COUNTS),
    st.builds(StepsSaved, NAMES, COUNTS, COUNTS, COUNTS, st.booleans(), WORKERS),
    st.builds(Unsent, NAMES, NAMES, WORKERS),
    EPOCHS,
    st.builds(Finished, NAMES, ENDS, NUMBERS, NUMBERS, NAMES, PROFILES, WORKERS, NAMES),
    st.builds(Failed, NAMES, NAMES, PROFILES, WORKERS, NAMES),
)
TUNE = {
    "timestamp": 1732500000, "checkpoint_dir_name": None, "done": False, "training_iteration": 3, "trial_id": "5ea1_00",
    "date": "2026-11-25_20-30-36", "time_this_iter_s": 0.5, "time_total_s": 1.5, "hostname": "node7", "pid": 77,
    "node_ip": "10.0.0.7", "time_since_restore": 1.5, "iterations_since_restore": 3, "experiment_tag": "1_job=a",
    "config": {"job": "a", "dataset": "D", "baseline": "AT", "run": 1},
}  # fmt: skip
JUNK = st.none() | st.booleans() | st.integers() | NUMBERS | NAMES | st.lists(COUNTS, max_size=2)


def same(one: Event | None, other: Event | None) -> bool:
    """Equal to the last bit; NaN, which an epoch without a validation reports, equals NaN."""
    return repr(one) == repr(other)


@given(EVENTS)
def test_an_event_comes_back_as_it_was(event: Event) -> None:
    assert same(from_report(to_report(event)), event)


@given(EVENTS)
def test_what_tune_adds_says_who_trains_and_changes_nothing_else(event: Event) -> None:
    assert same(from_report(to_report(event) | TUNE), replace(event, worker=Worker("node7", 77)))


@given(EVENTS.filter(lambda one: isinstance(one, Finished | Failed)), EPOCHS)
def test_the_last_epochs_come_with_the_end_and_before_it(event: Finished | Failed, epochs: EpochEnded) -> None:
    report = to_report(event, epochs) | TUNE
    before, end = events_of(report)
    worker = Worker("node7", 77)
    assert same(before, replace(epochs, job=event.job, saved_to_stop=False, worker=worker))
    assert same(end, replace(event, worker=worker))
    assert report["lr"] is epochs.result.lr, "the last values of what people compare, as an epoch's own report has them"


@pytest.mark.parametrize("ago", [-1.0, math.nan, math.inf, True, None, "1"])
def test_an_end_stands_where_what_it_says_of_epochs_is_damaged(ago: Any) -> None:
    end = Finished("a", "trained", 71.5, 3.0)
    whole = to_report(end, EpochEnded("a", EpochResult(2, 0.5, {}, 50.0, 0.1, 3.0, 2)))
    for report in (whole | {"epoch_ago": ago}, whole | {"earlier": []}, whole | {"earlier": [{"epoch": 1}]}):
        assert events_of(report) == (end,)


@given(EVENTS, st.data())
def test_half_a_report_or_another_kind_of_value_is_none(event: Event, data: Any) -> None:
    """What an event cannot be without is missing or of another kind, as in reports of other programs and versions."""
    bare = replace(event, worker=None, profile=None) if isinstance(event, Finished | Failed) else event
    report, optional = (
        to_report(bare),
        {"saved_to_stop", "hostname", "pid", "profile", "spoiled", "earlier", "epoch_ago"},
    )
    if isinstance(event, Resumed):
        optional.add("steps")
    needed = [name for name in report if name not in optional and not name.startswith("loss/")]
    if isinstance(event, Failed):
        needed = ["job", "status", "message"]
    name = data.draw(st.sampled_from(needed))
    assert from_report({key: value for key, value in report.items() if key != name}) is None
    for other in (None, True, [1], {"a": 1}, b"x"):
        assert from_report({**report, name: other}) is None


@given(st.dictionaries(st.sampled_from([*to_report(Failed("a", "b")), *TUNE, "epoch", "epochs", "profile"]), JUNK))
def test_foreign_dicts_raise_nothing(report: dict[str, Any]) -> None:
    ours = ("trained", "recalled", "found", "diverged", "resumed", "saved")
    assert from_report(report) is None or report["status"] in ours


@pytest.mark.parametrize(
    "report",
    [
        {},
        TUNE,
        {"done": True},
        {"job": "a", "status": "something new"},
        {"accuracy": 71.5, "train_time": 3.0},
        {"job": "a", "status": "training", "epoch": 1, "of": 2, "val_accuracy": 50.0, "loss": 1.0},
        {"job": "a", "status": "trained", "test_accuracy": 71.5, "seconds": 3.0},
        {**to_report(Finished("a", "trained", 1.0, 1.0)), "profile": {"parts": "x", "operators": []}},
        {**to_report(Finished("a", "trained", 1.0, 1.0)), "profile": 3},
        {**to_report(Finished("a", "trained", 1.0, 1.0)), "accuracy": 10**400},
    ],
    ids=str,
)
def test_reports_of_others(report: dict[str, Any]) -> None:
    assert from_report(report) is None


def test_the_keys_that_people_see() -> None:
    """In Tune's records, MLflow, Weights & Biases; TensorBoard has those of `curve_points`."""
    result = EpochResult(2, 0.5, {"ce": 0.3, "kd": 0.2}, 50.0, 0.1, 3.0, 9)
    curves = {"train_loss": 0.5, "validation_accuracy": 50.0, "lr": 0.1, "loss/ce": 0.3, "loss/kd": 0.2}
    assert curve_points(result) == curves
    epoch = {"job": "a", "status": "training", "epoch": 2, "epochs": 9, "train_time": 3.0}
    assert to_report(EpochEnded("a", result)) == epoch | curves
    end = {"job": "a", "status": "trained", "accuracy": 71.5, "train_time": 3.0, "message": ""}
    assert to_report(Finished("a", "trained", 71.5, 3.0)) == end
    failed = to_report(Failed("a", "epoch 1: the training loss is nan"))
    assert failed.keys() == end.keys()
    assert (failed["status"], failed["message"]) == ("diverged", "epoch 1: the training loss is nan")
    assert chosen(failed) == {}
    assert chosen({"accuracy": math.nan, "message": "x", "loss/ce": 1, "time_total_s": 9.0}) == {"loss/ce": 1}


def test_a_callback_is_given_events_alone() -> None:
    seen: list[tuple[str, Event]] = []

    class Reader(EventCallback):
        def on_event(self, trial: Any, event: Event) -> None:
            seen.append((trial, event))

    event = Resumed("a", 3, 9, Worker("node7", 77))
    for report in (to_report(event), {"done": True}):
        Reader().on_trial_result(iteration=1, trials=[], trial="t", result=report, more=1)
    assert seen == [("t", event)]
