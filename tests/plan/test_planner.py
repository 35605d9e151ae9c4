"""The plan: names, order, seeds and fingerprints, for any config."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.builders import make_config, make_spec

from hpmkd.config.sweep import SweepConfig
from hpmkd.errors import UsageError
from hpmkd.plan.catalog import BASELINES, baselines_of
from hpmkd.plan.job import Job, differences, seed_of
from hpmkd.plan.planner import expand

NAMES = ["A", "B-1", "c10"]
ANY = st.builds(
    lambda datasets, baselines, runs, seed: (datasets, baselines, runs, seed),
    st.lists(st.sampled_from(NAMES), min_size=1, unique=True),
    st.lists(st.sampled_from(list(BASELINES)), min_size=1, unique=True),
    st.integers(1, 4),
    st.integers(0, 2**63 - 1),
)


def plan(datasets: list[str], baselines: list[str], runs: int, seed: int = 0, **more: Any) -> dict[str, Job]:
    config = make_config(datasets=datasets, baselines=baselines, runs=runs, seed=seed, **more)
    specs = [make_spec(name=name, content=name, image_size=28, classes=10) for name in datasets]
    return {job.key: job for job in expand(config, specs, baselines_of(config))}


ABOVE = ("Direct", "AT", "TAKD")


def fingerprints(jobs: dict[str, Job]) -> dict[str, str]:
    return {key: job.fingerprint for key, job in jobs.items()}


@settings(max_examples=50)
@given(ANY)
def test_every_plan_is_a_dag_of_uniquely_named_jobs(given_: tuple) -> None:
    jobs = plan(*given_)
    datasets, baselines, runs, _ = given_
    assert len({name.casefold() for name in jobs}) == len(jobs)
    students = [job for job in jobs.values() if job.role == "student"]
    assert len(students) == len(datasets) * len(baselines) * runs
    seen: set[str] = set()
    for job in jobs.values():
        assert all(parent.key in seen and jobs[parent.key] == parent for parent in job.parents)
        seen.add(job.key)
        assert job.file_name == f"{job.key}.{'json' if job.role == 'search' else 'pt'}"
        assert "/" not in job.file_name


@settings(max_examples=50)
@given(ANY)
def test_runs_share_their_parents(given_: tuple) -> None:
    """As objects too: a sweep of thousands of runs plans, and fingerprints, each parent once per baseline."""
    parents: dict[tuple[str, str | None], set[int]] = {}
    for job in plan(*given_).values():
        if job.role == "student":
            parents.setdefault((job.data.name, job.baseline), set()).add(id(job.parents))
    assert all(len(found) == 1 for found in parents.values())


@settings(max_examples=50)
@given(ANY)
def test_seeds_pair_the_runs(given_: tuple) -> None:
    """Run r of every baseline shares its seed; other runs and data sets have others."""
    seeds: dict[tuple, set[int]] = {}
    for job in plan(*given_).values():
        if job.role == "student":
            seeds.setdefault((job.data.name, job.run), set()).add(job.seed)
    assert all(len(values) == 1 for values in seeds.values())
    assert len(set.union(*seeds.values())) == len(seeds)


@settings(max_examples=40)
@given(ANY, ANY)
def test_a_job_is_the_same_in_every_plan_that_has_it(one: tuple, other: tuple) -> None:
    """More runs, baselines or data sets never touch what is there already."""
    first, second = plan(*one), plan(*other[:3], one[3])
    for key in first.keys() & second.keys():
        assert first[key].fingerprint == second[key].fingerprint


def test_known_names_and_seed() -> None:
    keys = list(plan(["A"], ["TAKD"], 1))
    assert keys == ["teacher_A", "assistant_A_TAKD", "student_A_TAKD_run1"]
    assert seed_of(0, "CIFAR10", 3) == seed_of(0, "CIFAR10", 3)
    assert 0 <= seed_of(2**62, "x", None) < 2**63
    assert len({seed_of(0, "x", 1), seed_of(1, "x", 1), seed_of(0, "y", 1), seed_of(0, "x", 2)}) == 4


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ({"fit__lr": 0.5}, set()),
        ({"fit__threads": 2}, set()),
        ({"fit__precision": "bf16"}, set()),
        ({"fit__teacher_epochs": 9}, {"student_A_Direct_run1"}),
        ({"fit__student_epochs": 9}, {"teacher_A"}),
        ({"fit__assistant_epochs": 9}, {"teacher_A", "student_A_Direct_run1", "student_A_AT_run1"}),
        ({"kd__temperature": 9.0}, {"teacher_A", "student_A_Direct_run1"}),
        (
            {"at__beta": 9.0},
            {"teacher_A", "student_A_Direct_run1", "assistant_A_TAKD", "student_A_TAKD_run1"},
        ),
        ({"takd__size": 9000.0}, {"teacher_A", "student_A_Direct_run1", "student_A_AT_run1"}),
        ({"teacher__arch": "resnet8"}, {"student_A_Direct_run1"}),
        ({"teacher_fit__optimizer": "sgd"}, {"student_A_Direct_run1"}),
        ({"teacher_fit__lr": 0.001}, {"teacher_A", "assistant_A_TAKD"} | {f"student_A_{n}_run1" for n in ABOVE}),
    ],
)
def test_a_setting_changes_exactly_the_models_that_depend_on_it(change: dict, same: set[str]) -> None:
    base = ["A"], ["Direct", "AT", "TAKD"], 1
    before, after = fingerprints(plan(*base)), fingerprints(plan(*base, **change))
    assert {key for key in before if before[key] == after[key]} == same


@pytest.mark.parametrize(
    "change",
    [
        {"resources__max_concurrent": 1},
        {"resources__cpus_per_trial": 2.0},
        {"record__tensorboard": False},
        {"data__dir": "elsewhere"},
        {"data__cache_dir": "elsewhere"},
        {"data__download": False},
    ],
)
def test_what_no_weight_depends_on_changes_nothing(change: dict) -> None:
    base = ["A"], list(BASELINES), 2
    assert fingerprints(plan(*base)) == fingerprints(plan(*base, **change))


def test_every_field_of_a_recipe_is_in_the_fingerprint() -> None:
    job = plan(["A"], ["AT"], 1)["student_A_AT_run1"]
    others = []
    for part in ("data", "model", "fit"):
        for field in dataclasses.fields(getattr(job, part)):
            if field.compare:
                value = getattr(getattr(job, part), field.name)
                new = (*value, 0.5) if isinstance(value, tuple) else f"{value}x" if isinstance(value, str) else 77
                others.append(
                    dataclasses.replace(job, **{part: dataclasses.replace(getattr(job, part), **{field.name: new})})
                )
    others += [dataclasses.replace(job, seed=1), dataclasses.replace(job, method="Direct")]
    others += [dataclasses.replace(job, hparams=()), dataclasses.replace(job, parents=())]
    prints = {job.fingerprint, *(other.fingerprint for other in others)}
    assert len(prints) == len(others) + 1


def test_differences_are_readable() -> None:
    then, now = {"fit.lr": 0.001, "same": 1, "old": 2}, {"fit.lr": 0.01, "same": 1, "new": 3}
    expected = ["`fit.lr` 0.001 -> 0.01", "`new` not there -> 3", "`old` 2 -> not there"]
    assert differences(then, now) == expected
    assert differences(now, now) == []
    (line,) = differences({"data.content": "a"}, {"data.content": "b"})
    assert line == "`data.content` (images, their labels, or the setting data.image_size) a -> b"


def test_unknown_baseline() -> None:
    config = SweepConfig(datasets=["A"], baselines=["HintNets"])
    with pytest.raises(UsageError, match="'HintNets'"):
        expand(config, [make_spec(name="A")], baselines_of(config))
