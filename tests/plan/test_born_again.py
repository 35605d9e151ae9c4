"""BAN and DML in the plan: whom they learn from, and what they cost."""

from __future__ import annotations

import pytest
from support.builders import make_config, make_spec

from hpmkd.plan.catalog import baselines_of
from hpmkd.plan.job import Job
from hpmkd.plan.planner import expand
from hpmkd.plan.roles import Role
from hpmkd.plan.work import training_cost


def plan(*names: str, **more: object) -> dict[str, Job]:
    config = make_config(baselines=list(names), **{"kd__logits": "live", **more})
    return {job.key: job for job in expand(config, [make_spec(image_size=28, classes=10)], baselines_of(config))}


def test_generations_are_the_students_own_kind_and_the_first_learns_from_labels() -> None:
    jobs = plan("BAN", "Direct", ban__generations=2)
    student = jobs["student_Noise_BAN_run1"]
    second, first = jobs["assistant_Noise_BAN_2"], jobs["assistant_Noise_BAN_1"]
    assert student.parents == (second,)
    assert second.parents == (first,)
    assert first.parents == ()
    assert (first.method, second.method, student.method) == ("Direct", "TraditionalKD", "TraditionalKD")
    assert {one.model for one in (first, second, student)} == {jobs["student_Noise_Direct_run1"].model}
    assert dict(student.hparams) == dict(second.hparams) == {"kd.alpha": 1.0, "kd.temperature": 1.0}
    assert first.seed not in {student.seed, jobs["student_Noise_Direct_run1"].seed}, "it is no student of any run"


def test_more_generations_leave_the_first_ones_as_they_are() -> None:
    few, many = plan("BAN", ban__generations=1), plan("BAN", ban__generations=3)
    assert few["assistant_Noise_BAN_1"].fingerprint == many["assistant_Noise_BAN_1"].fingerprint
    assert sum(job.role is Role.ASSISTANT for job in many.values()) == 3


def test_baselines_with_more_and_fewer_generations_share_the_first_ones() -> None:
    jobs = plan("BAN", "BAN-generations1")
    assert sum(job.role is Role.ASSISTANT for job in jobs.values()) == 3
    (own,) = jobs["student_Noise_BAN-generations1_run1"].parents
    assert own.key == "assistant_Noise_BAN_1"


def test_runs_share_the_generations_before_them() -> None:
    jobs = plan("BAN", runs=3)
    students = [job for job in jobs.values() if job.role is Role.STUDENT]
    assert len(students) == 3
    assert len({job.parents[0].key for job in students}) == 1


def test_words_have_generations_of_their_own() -> None:
    jobs = plan("BAN", "BAN-generations1-labels0.5")
    own = jobs["student_Noise_BAN-labels0.5-generations1_run1"]
    assert dict(own.hparams) == {"kd.alpha": 0.5, "kd.temperature": 1.0}
    assert own.parents[0].parents == ()


def test_dml_trains_two_networks_and_has_no_teacher() -> None:
    jobs = plan("DML", "Direct")
    both, alone = jobs["student_Noise_DML_run1"], jobs["student_Noise_Direct_run1"]
    assert both.parents == ()
    assert training_cost(both) == pytest.approx(2 * training_cost(alone))
    assert both.seed == alone.seed
