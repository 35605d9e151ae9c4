"""Which students share a teacher's answers, and that nothing else depends on it."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from support.builders import make_config, make_spec

from hpmkd.plan.catalog import BASELINES, baselines_of
from hpmkd.plan.job import Job, label
from hpmkd.plan.planner import expand


def plan(*names: str, **more: Any) -> dict[str, Job]:
    given = {"kd__logits": "auto", "fit__student_epochs": 5, "data__train_images": None, **more}
    config = make_config(datasets=["Noise"], baselines=list(names), **given)
    spec = make_spec(augment="crop_flip", image_size=28, classes=10, images=1000)
    return {job.key: job for job in expand(config, [spec], baselines_of(config))}


def shown(jobs: dict[str, Job]) -> dict[str, int]:
    return {
        key.removeprefix("logits_").replace("_Noise", ""): job.fit.epochs for key, job in jobs.items() if job.is_shown
    }


def test_two_students_of_a_run_share_one_alone_does_not() -> None:
    assert shown(plan("TraditionalKD", runs=3)) == {}
    assert shown(plan("TraditionalKD", "DKD", runs=2)) == {"teacher_run1": 5, "teacher_run2": 5}
    assert shown(plan("TraditionalKD", "Direct", "AT", "SimKD", "TAKD")) == {}, "the others need maps, or no teacher"


def test_a_search_alone_is_several_trainings() -> None:
    jobs = plan("HPM-KD")
    assert shown(jobs) == {"teacher_search": 2}, "half of five epochs"
    assert jobs["search_Noise"].parents == (jobs["logits_teacher_Noise_search"],)
    assert [one.key for one in jobs["student_Noise_HPM-KD_run1"].parents] == ["teacher_Noise", "search_Noise"]
    tuned = plan("TraditionalKD-tuned", "DKD-tuned", tune__trials=3)
    assert shown(tuned) == {"teacher_run1": 5, "teacher_search": 5}


@pytest.mark.parametrize(
    "more",
    [
        {"kd__logits": "live"}, {"kd__logits": "cached"}, {"kd__mixup": 0.2}, {"kd__cache_gib": 1e-5},
        {"fit__views": 3},
    ],
)  # fmt: skip
def test_where_nothing_is_shared(more: dict[str, Any]) -> None:
    """Asked for otherwise; mixed images; too large; fewer views than epochs, so that all of them are cached."""
    assert shown(plan("TraditionalKD", "DKD", **more)) == {}


TWO = {"a": {}, "b": {"student": {"arch": "lenet5", "channels": [2, 3, 10]}}}


def test_fingerprints_budgets_and_names_are_those_with_living_teachers() -> None:
    """So whatever is shared, files that are there stay good."""
    names = [*BASELINES, "HPM-KD-M2", "HPM-KD-noSharedMemory-M2", "TraditionalKD-adaptive", "TraditionalKD-epochs9"]
    for per_run, pairs in itertools.product((False, True), ({}, TWO)):
        more = {"runs": 2, "teacher__per_run": per_run, "pairs": pairs}
        live, auto = plan(*names, kd__logits="live", **more), plan(*names, **more)
        caches = {key for key, job in auto.items() if job.is_shown}
        assert caches
        assert auto.keys() - caches == live.keys()
        for key, job in live.items():
            assert (auto[key].fingerprint, auto[key].seed, auto[key].fit) == (job.fingerprint, job.seed, job.fit), key
            assert [one.key for one in auto[key].sources] == [one.key for one in job.sources]
        for key in caches:
            askers = [job for job in auto.values() if auto[key] in job.parents]
            assert {job.seed for job in askers} == {auto[key].seed}
            assert all(job.fit.epochs <= auto[key].fit.epochs or job.role == "search" for job in askers)


def test_parents_come_before_children() -> None:
    order = list(plan(*BASELINES, runs=2))
    jobs = plan(*BASELINES, runs=2)
    assert all(order.index(one.key) < order.index(key) for key, job in jobs.items() for one in job.parents)


def test_what_a_line_calls_them() -> None:
    jobs = plan("TraditionalKD", "DKD", "HPM-KD", runs=2)
    assert label(jobs["logits_teacher_Noise_run2"], 2) == "logits of teacher Noise for run 2/2"
    assert label(jobs["logits_teacher_Noise_search"], 2) == "logits of teacher Noise for searches"
