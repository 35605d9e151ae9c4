"""Which plans have tables of logits, and what those depend on."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.builders import FULL, make_config, make_jobs, make_spec

from hpmkd.plan.catalog import baselines_of
from hpmkd.plan.job import Job
from hpmkd.plan.planner import expand
from hpmkd.plan.work import training_cost


def roles(jobs: dict[str, Job], student: str) -> list[str]:
    return [parent.role for parent in jobs[f"student_Digits_{student}_run1"].parents]


def test_who_learns_from_tables() -> None:
    jobs = make_jobs(make_config(kd__logits="auto", hpmkd__teachers=2, hpmkd__chain_length=1))
    assert roles(jobs, "Direct") == []
    assert roles(jobs, "AT") == roles(jobs, "FitNets") == ["teacher"]
    assert roles(jobs, "TraditionalKD") == roles(jobs, "TAKD") == ["logits"]
    assert roles(jobs, "KD-Ensemble") == ["logits", "logits"]
    assert roles(jobs, "HPM-KD") == ["logits", "logits", "logits", "search"]
    assert [one.role for one in jobs["search_Digits"].parents] == ["logits"]
    assert [one.key for one in jobs["assistant_Digits_TAKD"].parents] == ["logits_teacher_Digits"]
    assert jobs["logits_assistant_Digits_TAKD"].file_name == "logits_assistant_Digits_TAKD.npy"
    assert all(job.role != "logits" for job in make_jobs(make_config()).values())


def plan(augment: str, images: int = 1000, **more: Any) -> dict[str, Job]:
    config = make_config(baselines=["TraditionalKD", "KD-Budget"], data__train_images=None, **more)
    spec = make_spec(augment=augment, image_size=28, classes=10, images=images)
    return {job.key: job for job in expand(config, [spec], baselines_of(config))}


@pytest.mark.parametrize(
    ("augment", "more", "expected"),
    [
        ("crop_flip", {"fit__student_epochs": 161}, False),
        ("crop_flip", {"fit__student_epochs": 162}, True),
        ("crop_flip", {"fit__student_epochs": 8, "fit__views": 8}, True),
        ("crop_flip", {"fit__student_epochs": 8, "fit__views": 9}, False),
        ("none", {"images": 200_000_000}, False),
        ("none", {"images": 200_000_000, "kd__cache_gib": 8.0}, True),
        ("none", {"kd__mixup": 0.2}, False),
        ("none", {"kd__logits": "live"}, False),
        ("crop_flip", {"kd__logits": "cached"}, True),
    ],
)
def test_auto_makes_a_table_where_it_pays_and_fits(augment: str, more: dict[str, Any], expected: bool) -> None:
    jobs = plan(augment, **{"kd__logits": "auto", **more})
    assert ("logits_teacher_Noise" in jobs) is expected


@settings(max_examples=25)
@given(runs=st.integers(1, 9), epochs=st.integers(1, 200))
def test_more_runs_never_change_the_recipe(runs: int, epochs: int) -> None:
    one, many = (plan("crop_flip", kd__logits="auto", fit__student_epochs=epochs, runs=count) for count in (1, runs))
    assert {key: many[key].fingerprint for key in one} == {key: job.fingerprint for key, job in one.items()}


def test_a_table_does_not_depend_on_the_students_recipe_but_on_views_and_precision() -> None:
    def print_of(**more: Any) -> str:
        return plan("crop_flip", kd__logits="cached", **more)["logits_teacher_Noise"].fingerprint

    assert print_of() == print_of(fit__student_epochs=7, kd__temperature=2.0, kd__alpha=0.1)
    assert len({print_of(), print_of(fit__views=3), print_of(fit__precision="bf16"), print_of(fit__lr=0.1)}) == 4


def test_the_budget_counts_tables_once_and_no_forward_of_a_teacher() -> None:
    live, tables = (plan("crop_flip", kd__logits=how, fit__views=4, **FULL) for how in ("live", "cached"))
    student = tables["student_Noise_TraditionalKD_run1"]
    asked = live["student_Noise_TraditionalKD_run1"]
    assert training_cost(tables["logits_teacher_Noise"]) == 4 / 3 * training_cost(live["teacher_Noise"]) / 2
    assert training_cost(asked) - training_cost(student) == 2 * training_cost(tables["logits_teacher_Noise"]) / 4
    assert tables["student_Noise_KD-Budget_run1"].fit.epochs > live["student_Noise_KD-Budget_run1"].fit.epochs
