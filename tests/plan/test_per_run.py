"""`teacher.per_run`: each run has teachers of its own, with names, seeds and parents that no other run touches."""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any

import pytest
from support.builders import FULL, SEARCH, make_config, make_spec

from hpmkd.errors import UsageError
from hpmkd.plan.catalog import BASELINES, baselines_of
from hpmkd.plan.job import Job, label, seed_of, teacher_seed
from hpmkd.plan.planner import expand
from hpmkd.plan.roles import Role
from hpmkd.plan.work import training_cost

# HPM-KD and its search as they were when this was measured.
THEN = {**SEARCH, "hpmkd__t_high": 1.5, "hpmkd__t_low": 0.5}
EVERY = [*BASELINES, "HPM-KD-noSharedMemory", "HPM-KD-noMultiTeacher", "TAKD-steps2", "TraditionalKD-adaptive"]
# SHA-256 (its beginning) over name, seed and fingerprint of all jobs of the baselines of version 0.1.0 on two data
# sets: they are those of outputs that exist, and must not change.
GOLDEN = (88, "7c01fe62d22314d40d17884305276c2c")


def plan(runs: int, baselines: list[str] = EVERY, per_run: bool = True, **more: Any) -> dict[str, Job]:
    own = {**FULL, **({"teacher__per_run": True} if per_run else {})}
    config = make_config(datasets=["A", "B"], baselines=baselines, runs=runs, **own, **more)
    specs = [make_spec(name=name, content=name, image_size=28, classes=10) for name in ("A", "B")]
    return {job.key: job for job in expand(config, specs, baselines_of(config))}


def test_every_run_descends_from_teachers_of_its_own() -> None:
    jobs = plan(3)
    for job in jobs.values():
        assert {one.run for one in (job, *job.ancestors())} == {job.run}
    students = [job for job in jobs.values() if job.role is Role.STUDENT]
    assert len(students) == 2 * len(EVERY) * 3
    assert all(job.reference == f"teacher_{job.data.name}_run{job.run}" for job in students)
    assert all(job.reference in jobs for job in students)


def test_names_are_unique_and_can_be_taken_apart() -> None:
    jobs = plan(11, kd__logits="cached")
    assert len({job.file_name.casefold() for job in jobs.values()}) == len(jobs)
    shape = re.compile(r"(logits_)?(teacher|assistant|search|student)_[AB](_[A-Za-z][^_]*)?(_\d+)?_run(\d+)")
    for job in jobs.values():
        found = shape.fullmatch(job.key)
        assert found is not None, job.key
        assert int(found[5]) == job.run
        assert (found[4] or "_None")[1:] == str(job.number)
    for name in ("teacher_A", "teacher_A_2", "search_A", "assistant_A_TAKD-steps2_2", "logits_teacher_A"):
        assert f"{name}_run2" in jobs
        assert name not in jobs
    assert "teacher_A_HPM-KD-noSharedMemory_2_run2" in jobs


def test_more_runs_or_baselines_change_nothing() -> None:
    few, many = plan(2, ["HPM-KD"]), plan(4)
    assert few.keys() < many.keys()
    assert all(many[key].fingerprint == job.fingerprint for key, job in few.items())


def test_seeds_of_teachers_are_paired_and_their_own() -> None:
    """Run r has the same teachers in every baseline; no student of that run, and no shared teacher, has their seed."""
    jobs = plan(3)
    teachers = [job for job in jobs.values() if job.role is Role.TEACHER]
    seeds: dict[tuple, set[int]] = {}
    for job in teachers:
        seeds.setdefault((job.data.name, job.run, job.number), set()).add(job.seed)
    assert all(len(found) == 1 for found in seeds.values())
    assert len(set.union(*seeds.values())) == len(seeds)
    others = {job.seed for job in jobs.values() if job.role is Role.STUDENT}
    others |= {job.seed for job in plan(3, per_run=False).values()}
    assert not others & {job.seed for job in teachers}
    assert jobs["teacher_A_2_run3"].seed == teacher_seed(0, "A", 2, 3)
    assert teacher_seed(0, "A", 2) == seed_of(0, "A", None, 2)


def test_students_keep_their_seeds_and_recipes() -> None:
    """What differs is who teaches: Direct's students are those of any sweep."""
    own, shared = plan(2), plan(2, per_run=False)
    for key, job in shared.items():
        if job.role is Role.STUDENT:
            assert own[key].seed == job.seed
            assert (own[key].fingerprint == job.fingerprint) == (job.baseline in ("Direct", "DML"))


def test_the_budget_of_a_student_is_that_of_its_run_alone() -> None:
    jobs = plan(2, ["HPM-KD", "KD-Budget", "TraditionalKD"])
    rich, budget = jobs["student_A_HPM-KD_run1"], jobs["student_A_KD-Budget_run1"]
    plain = jobs["student_A_TraditionalKD_run1"]
    common = {one.key for one in plain.ancestors()}
    rest = {one.key: one for one in rich.ancestors() if one.key not in common}
    wanted = training_cost(rich) + sum(map(training_cost, rest.values()))
    assert budget.fit.epochs == round(wanted / (training_cost(plain) / plain.fit.epochs))


def test_what_no_two_students_share_cannot_be_shared_in_a_budget() -> None:
    with pytest.raises(UsageError, match=r"bad value for `kd_budget\.students`"):
        plan(1, ["KD-Budget"], kd_budget__students=2)
    with pytest.raises(UsageError, match="students2"):
        plan(1, ["KD-Budget-students2"])
    assert plan(1, ["KD-Budget"], kd_budget__students=1).keys() == plan(1, ["KD-Budget"]).keys()


def test_labels_say_the_run() -> None:
    jobs = plan(2)
    said = {key: label(jobs[key], 2) for key in ("teacher_A_run2", "teacher_A_2_run1", "assistant_A_TAKD_run2")}
    assert said == {
        "teacher_A_run2": "teacher run 2/2 A",
        "teacher_A_2_run1": "teacher 2 run 1/2 A",
        "assistant_A_TAKD_run2": "TAKD assistant run 2/2 A",
    }
    assert label(jobs["search_A_run1"], 2) == "search run 1/2 A"


def test_nothing_has_changed_since_it_is_there() -> None:
    there = ["Direct", "TraditionalKD", "FitNets", "AT", "TAKD", "KD-Ensemble", "KD-Budget", "HPM-KD", *EVERY[-4:]]
    rows = sorted([job.file_name, job.seed, job.fingerprint] for job in plan(2, there, **THEN).values())
    assert (len(rows), hashlib.sha256(json.dumps(rows).encode()).hexdigest()[:32]) == GOLDEN


def test_pairs_and_ratios_have_teachers_per_run_too() -> None:
    jobs = plan(2, ["TraditionalKD"], ratios=[2, 4])
    teachers = {job.key for job in jobs.values() if job.role is Role.TEACHER and job.data.name == "A"}
    assert len(teachers) == 2
    assert {one.run for one in jobs.values() if one.key in teachers} == {1, 2}
