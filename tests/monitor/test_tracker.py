"""A made-up sweep with a made-up clock, followed from its first report to its last."""

from __future__ import annotations

import math

import pytest
from support.plans import plan

from hpmkd.monitor.tracker import Tracker
from hpmkd.plan.effort import RAY_END, RAY_START
from hpmkd.plan.events import EpochEnded, EpochResult, Finished, Resumed, Worker
from hpmkd.plan.schedule import Places

JOBS = plan(1, ["Direct", "TraditionalKD"], 2)  # a teacher, its table, 2 + 2 students
KEYS = [job.key for job in JOBS]
DIRECT = [f"student_D0_Direct_run{run}" for run in (1, 2)]


class Sweep:
    """Trials that take what they are told to, one worker each."""

    def __init__(self, done: dict[str, float] | None = None, concurrent: int = 1) -> None:
        self.now = 100.0
        self.tracker = Tracker(JOBS, done or {}, lambda: self.now)
        self.tracker.round([key for key in KEYS if key not in (done or {})], Places.alike(concurrent), {})

    def report(self, key: str, epoch: int, of: int = 5, pid: int = 1, ago: float = 0.0) -> None:
        result = EpochResult(epoch, 1 / epoch, {}, 90.0, 0.1, 1.0, of)
        self.tracker.reported(EpochEnded(key, result, worker=Worker("h", pid), ago=ago))

    def train(self, key: str, before: float, each: float, after: float, of: int = 5, pid: int = 1) -> None:
        self.tracker.started(key)
        self.now += before
        for epoch in range(1, of + 1):
            self.now += each
            if epoch < of:
                self.report(key, epoch, of, pid)
        self.now += after
        self.report(key, of, of, pid, ago=after)  # as trials do it: with the end
        self.tracker.reported(Finished(key, "trained", 90.0, 1.0, worker=Worker("h", pid)))
        self.tracker.ended(key, made=True)


def test_rows_follow_the_reports() -> None:
    sweep = Sweep()
    sweep.tracker.started(DIRECT[0])
    sweep.now += 2
    sweep.report(DIRECT[0], 1)
    (one,) = sweep.tracker.running.values()
    assert (one.epoch, one.of, one.train_loss, one.validation_pct) == (1, 5, 1.0, 90.0)
    assert (len(sweep.tracker.done), sweep.tracker.total, sweep.tracker.elapsed) == (0, 6, 2.0)
    sweep.tracker.ended(DIRECT[0], made=True)
    assert (sweep.tracker.running, len(sweep.tracker.done)) == ({}, 1)


def test_nothing_is_said_before_the_second_epoch() -> None:
    sweep = Sweep()
    assert sweep.tracker.seconds_left() is None
    sweep.tracker.started("teacher_D0")
    sweep.report("teacher_D0", 1)
    assert sweep.tracker.seconds_left() is None
    sweep.now += 1
    sweep.report("teacher_D0", 2)
    assert sweep.tracker.seconds_left() is not None


def test_the_estimate_is_exact_where_all_goes_on_as_before() -> None:
    """One at a time; the first job of the worker loads torch for 30 s, which says nothing of the others."""
    sweep = Sweep()
    sweep.train("teacher_D0", 30, 4, 1)
    sweep.train("logits_teacher_D0", 2, 1, 1, of=1)
    sweep.train(DIRECT[0], 2, 3, 1)
    sweep.train("student_D0_TraditionalKD_run1", 2, 6, 1)
    assert sweep.tracker.seconds_left() == pytest.approx((2 + 15 + 1) + (2 + 30 + 1) + RAY_END)
    sweep.tracker.started(DIRECT[1])
    assert sweep.tracker.seconds_left() == pytest.approx(18 + 33 + RAY_END)
    sweep.now += 5
    sweep.report(DIRECT[1], 1)
    assert sweep.tracker.seconds_left() == pytest.approx(13 + 33 + RAY_END)
    sweep.now += 2
    assert sweep.tracker.seconds_left() == pytest.approx(11 + 33 + RAY_END)


def test_it_never_falls_below_nothing() -> None:
    sweep = Sweep(dict.fromkeys(KEYS[:-1], 5.0))
    sweep.tracker.started(KEYS[-1])
    sweep.now += 1e4
    assert sweep.tracker.seconds_left() == RAY_END


def test_what_a_worker_has_done_before_makes_it_no_newcomer() -> None:
    sweep = Sweep()
    sweep.train("teacher_D0", 30, 4, 1, pid=1)
    sweep.train(DIRECT[0], 3, 3, 1, pid=1)
    sweep.train(DIRECT[1], 30, 3, 1, pid=2)
    assert sweep.tracker.times.before(JOBS[-1]) == 3


def test_a_job_that_goes_on_is_none_of_a_known_worker() -> None:
    """That it goes on is reported before its first epoch, by which a new worker is known."""
    sweep = Sweep()
    sweep.tracker.started(DIRECT[0])
    sweep.tracker.reported(Resumed(DIRECT[0], 2, 5, Worker("h", 7)))
    sweep.report(DIRECT[0], 3, pid=7)
    assert sweep.tracker.running[DIRECT[0]].fresh


def test_an_earlier_start_gives_the_first_estimate() -> None:
    sweep = Sweep({key: 10.0 for key in KEYS if key not in DIRECT} | {DIRECT[0]: 7.0})
    assert sweep.tracker.seconds_left() == RAY_START + 7.0 + RAY_END
    assert (len(sweep.tracker.done), sweep.tracker.total) == (5, 6)


def test_a_failed_job_and_its_descendants_are_not_waited_for() -> None:
    sweep = Sweep()
    sweep.train(DIRECT[0], 0, 2, 0)
    sweep.tracker.started("teacher_D0")
    sweep.tracker.ended("teacher_D0", made=False)
    assert sweep.tracker.seconds_left() == pytest.approx(10 + RAY_END)
    assert sweep.tracker.total == 6
    sweep.tracker.started("teacher_D0")
    again = sweep.tracker.seconds_left()
    assert again is not None
    assert again > 10


def test_a_new_ray_begins_with_nothing_running() -> None:
    sweep = Sweep()
    sweep.train("teacher_D0", 0, 2, 0)
    sweep.tracker.started(DIRECT[0])
    sweep.tracker.round(KEYS[1:], Places.alike(1), {})
    assert sweep.tracker.running == {}
    assert (len(sweep.tracker.done), sweep.tracker.total) == (1, 6)


def test_reports_that_concern_nothing_here() -> None:
    sweep = Sweep()
    sweep.tracker.started("student of another sweep")
    sweep.report(DIRECT[0], 3)
    assert sweep.tracker.running == {}
    sweep.tracker.started(DIRECT[0])
    sweep.tracker.reported(EpochEnded(DIRECT[0], EpochResult(1, math.nan, {}, 50.0, 0.1, 1.0, 2)))
    assert math.isnan(sweep.tracker.running[DIRECT[0]].train_loss)


def test_an_epoch_that_was_not_validated_leaves_the_last_accuracy() -> None:
    sweep = Sweep()
    sweep.tracker.started(DIRECT[0])
    sweep.report(DIRECT[0], 1)
    sweep.tracker.reported(EpochEnded(DIRECT[0], EpochResult(2, 0.5, {}, math.nan, 0.1, 2.0, 5)))
    one = sweep.tracker.running[DIRECT[0]]
    assert (one.epoch, one.validation_pct) == (2, 90.0)


def test_an_epoch_that_is_told_twice_is_no_pace() -> None:
    """As after a fault: between the two no epoch has passed, and nothing is divided by none."""
    sweep = Sweep({"teacher_D0": 10.0})
    sweep.tracker.started(DIRECT[0])
    sweep.report(DIRECT[0], 3)
    sweep.now += 4
    sweep.report(DIRECT[0], 3)
    assert sweep.tracker.running[DIRECT[0]].pace() is None
    left = sweep.tracker.seconds_left()
    assert left is not None
    assert math.isfinite(left)
    sweep.tracker.ended(DIRECT[0], made=True)
    assert sweep.tracker.seconds_left() is not None


def test_the_start_of_ray_runs_down_and_counts_until_a_worker_begins() -> None:
    done = {key: 10.0 for key in KEYS if key not in DIRECT} | {DIRECT[0]: 7.0}
    sweep = Sweep(done)
    sweep.now += 4
    assert sweep.tracker.seconds_left() == pytest.approx(RAY_START - 4 + 7 + RAY_END)
    sweep.now += 1000
    assert sweep.tracker.seconds_left() == pytest.approx(7 + RAY_END), "no longer than it usually takes"
    early = Sweep(done)
    early.tracker.started(DIRECT[1])
    assert early.tracker.seconds_left() == pytest.approx(7 + RAY_END)
    early.tracker.ended(DIRECT[1], made=True)
    early.now += 1
    assert early.tracker.seconds_left() == 0
    there = Tracker(JOBS, done, lambda: 0.0, own_ray=False)
    assert there.seconds_left() == 7
