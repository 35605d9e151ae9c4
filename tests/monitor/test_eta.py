"""Times of jobs, from what was measured."""

from __future__ import annotations

import pytest
from support.plans import plan

from hpmkd.monitor.eta import Times, kind
from hpmkd.plan.effort import effort
from hpmkd.plan.job import Job

JOBS = {job.key: job for job in plan(2, ["Direct", "TraditionalKD", "FitNets", "HPM-KD"], 2)}
TEACHER, DIRECT = JOBS["teacher_D0"], JOBS["student_D0_Direct_run1"]


def test_nothing_measured_is_nothing_known() -> None:
    assert (Times().training(DIRECT), Times().whole(DIRECT), Times().before(DIRECT)) == (None, None, 0.0)


def test_runs_are_of_a_kind_and_methods_are_not() -> None:
    assert kind(DIRECT) == kind(JOBS["student_D0_Direct_run2"])
    kinds = [kind(JOBS[f"student_D0_{name}_run1"]) for name in ("Direct", "TraditionalKD", "FitNets", "HPM-KD")]
    assert len({*kinds, kind(TEACHER), kind(JOBS["student_D1_Direct_run1"])}) == 6


def test_parts_of_trainings_add_up() -> None:
    times = Times()
    times.trained(DIRECT, 0.5, 3.0)
    times.trained(JOBS["student_D0_Direct_run2"], 0.25, 3.0)
    assert times.training(DIRECT) == pytest.approx(8.0)


@pytest.mark.parametrize(
    ("measured", "wanted"),
    [
        ("student_D0_Direct_run1", "student_D0_FitNets_run1"),  # the same role
        ("teacher_D0", "student_D0_Direct_run1"),  # the same data
        ("teacher_D0", "teacher_D1"),  # anything
        ("teacher_D0", "search_D0"),
        ("teacher_D0", "logits_teacher_D0"),
    ],
)
def test_what_was_not_measured_is_scaled_by_its_effort(measured: str, wanted: str) -> None:
    times = Times()
    times.trained(JOBS[measured], 1.0, 10.0)
    assert times.training(JOBS[wanted]) == pytest.approx(10 * effort(JOBS[wanted]) / effort(JOBS[measured]))


def test_the_nearest_kinds_are_scaled() -> None:
    times = Times()
    times.trained(TEACHER, 1.0, 1000.0)
    times.trained(JOBS["student_D1_Direct_run1"], 1.0, 1000.0)
    times.trained(DIRECT, 1.0, 1.0)
    fitnets: Job = JOBS["student_D0_FitNets_run1"]
    assert times.training(fitnets) == pytest.approx(effort(fitnets) / effort(DIRECT))


def test_an_earlier_start_counts_until_this_one_has_measured() -> None:
    times = Times()
    times.earlier(DIRECT, 8.0)
    times.earlier(JOBS["student_D0_Direct_run2"], 10.0)
    assert times.training(DIRECT) == 9.0
    times.trained(DIRECT, 0.1, 0.2)
    assert times.training(DIRECT) == pytest.approx(2.0)


def test_what_is_around_the_epochs() -> None:
    times = Times()
    times.trained(DIRECT, 1.0, 10.0)
    times.overhead(DIRECT, None, 0.5)
    assert times.whole(DIRECT) == 10.5, "the first job of a worker loads torch; the others do not"
    for before in (1.0, 2.0, 30.0):
        times.overhead(DIRECT, before, 0.5)
    times.overhead(TEACHER, 7.0, 0.25)
    assert times.before(DIRECT) == 2.0
    assert times.before(TEACHER) == 7.0
    assert times.before(JOBS["teacher_D1"]) == 4.5, "the median of all"
    assert times.whole(DIRECT) == 12.5
