"""Order and length of a schedule, on made-up jobs."""

from __future__ import annotations

import dataclasses

from hypothesis import given, settings
from hypothesis import strategies as st
from support.plans import plan

from hpmkd.plan.job import Job
from hpmkd.plan.roles import Role
from hpmkd.plan.schedule import Places, heights, may_run_beside, seconds_left, without_lost

JOBS = plan(1, ["Direct", "TAKD"], 3)  # teacher, its table, assistant, its table, 3 + 3 students


def seconds(jobs: tuple[Job, ...] | list[Job], each: float = 1.0) -> dict[str, float]:
    return {job.key: each for job in jobs}


def test_a_chain_takes_as_long_as_its_parts() -> None:
    """Teacher, table, assistant, table, student; the five other students fit beside it."""
    assert seconds_left(JOBS, {}, seconds(JOBS), Places.alike(8)) == 5
    assert seconds_left(JOBS, {}, seconds(JOBS), Places.alike(1)) == len(JOBS)
    assert seconds_left(JOBS, {}, {**seconds(JOBS), "student_D0_Direct_run2": 9.0}, Places.alike(8)) == 9


def test_what_runs_is_not_begun_again_and_what_is_there_is_not_waited_for() -> None:
    assert seconds_left(JOBS, {"teacher_D0": 0.25}, seconds(JOBS), Places.alike(8)) == 4.25
    left = [job for job in JOBS if job.role == "student"]
    assert seconds_left(left, {}, seconds(left), Places.alike(2)) == 3
    assert seconds_left([], {}, {}, Places.alike(2)) == 0


def test_more_may_run_now_than_will() -> None:
    """A later round has half as many side by side."""
    left = [job for job in JOBS if job.role == "student"]
    assert seconds_left(left, dict.fromkeys([job.key for job in left[:3]], 1.0), seconds(left), Places.alike(1)) == 4


def test_one_by_one() -> None:
    serial = [dataclasses.replace(job, serial=True) for job in JOBS if job.role == "student"]
    assert seconds_left(serial, {}, seconds(serial), Places.alike(8)) == 3
    assert not may_run_beside(serial[0], [serial[1]])
    assert may_run_beside(serial[0], [serial[-1]])


def test_the_same_model_under_two_names_is_made_once_at_a_time() -> None:
    teacher = JOBS[0]
    own = dataclasses.replace(teacher, shared=True, baseline="mine")
    assert own.key != teacher.key
    assert not may_run_beside(own, [teacher])
    assert seconds_left([teacher, own], {}, seconds([teacher, own]), Places.alike(2)) == 2


def test_what_descends_from_a_lost_job_is_lost() -> None:
    kept = without_lost(JOBS, {"assistant_D0_TAKD"})
    assert {job.key for job in JOBS} - {job.key for job in kept} == {
        "assistant_D0_TAKD",
        "logits_assistant_D0_TAKD",
        *(f"student_D0_TAKD_run{run}" for run in (1, 2, 3)),
    }


def test_the_critical_path_is_the_highest() -> None:
    height = heights(JOBS)
    assert max(height, key=lambda key: height[key]) == "teacher_D0"
    assert height["student_D0_TAKD_run1"] == 30


@settings(max_examples=30)
@given(
    st.lists(st.sampled_from(["Direct", "TAKD", "AT", "HPM-KD"]), min_size=1, unique=True),
    st.integers(1, 3),
    st.integers(1, 6),
    st.data(),
)
def test_between_the_bounds_of_any_schedule(
    baselines: list[str], runs: int, concurrent: int, data: st.DataObject
) -> None:
    jobs = plan(1, baselines, runs)
    each = {job.key: data.draw(st.floats(0.1, 10)) for job in jobs}
    longest: dict[str, float] = {}
    for job in jobs:
        longest[job.key] = each[job.key] + max((longest[parent.key] for parent in job.parents), default=0.0)
    work, path = sum(each.values()), max(longest.values())
    found = seconds_left(jobs, {}, each, Places.alike(concurrent))
    assert max(work / concurrent, path) - 1e-9 <= found <= work / concurrent + path + 1e-9


def test_places_add_up() -> None:
    """Three thirds of a machine are a machine, beside sevenths or not."""
    places = Places(dict.fromkeys(Role, 7) | {Role.TEACHER: 3})
    teacher, student = JOBS[0], JOBS[-1]
    assert (teacher.role, student.role) == ("teacher", "student")
    assert 3 * places.taken_by(teacher) == 7 * places.taken_by(student) == places.total


def test_large_jobs_leave_little_room_and_are_not_overtaken() -> None:
    """Two teachers fill the machine, or eight students; an own teacher comes before the students that could run now."""
    places = Places(dict.fromkeys(Role, 8) | {Role.TEACHER: 2})
    teacher, *students = [job for job in JOBS if job.role in ("teacher", "student")]
    own = [
        dataclasses.replace(teacher, number=number, fit=dataclasses.replace(teacher.fit, epochs=10**6))
        for number in (2, 3, 4)
    ]
    assert seconds_left(own, {}, seconds(own), places) == 2
    assert seconds_left(students, {}, seconds(students), places) == 1
    running = {job.key: 1.0 for job in students[:5]}
    left = [*own[:1], *students]
    # Five students leave three eighths: not enough for the teacher, and the sixth waits behind it.
    lasts = {**seconds(left), own[0].key: 3.0, students[5].key: 10.0}
    assert seconds_left(left, running, lasts, places) == 1 + 10
    assert seconds_left(students, running, lasts, places) == 10
    assert seconds_left(students, running, seconds(students), places) == 1


@settings(max_examples=30)
@given(st.lists(st.sampled_from(["Direct", "TAKD", "AT", "HPM-KD"]), min_size=1, unique=True), st.data())
def test_with_shares_by_role_between_the_bounds_of_any_schedule(baselines: list[str], data: st.DataObject) -> None:
    jobs = plan(1, baselines, 2)
    places = Places({role: data.draw(st.integers(1, 9)) for role in Role})
    each = {job.key: data.draw(st.floats(0.1, 10)) for job in jobs}
    found = seconds_left(jobs, {}, each, places)
    work = sum(each[job.key] / places.side_by_side[job.role] for job in jobs)
    assert work - 1e-9 <= found <= sum(each.values()) + 1e-9
