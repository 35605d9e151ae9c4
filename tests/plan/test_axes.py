"""Conditions and pairs in the plan: names, seeds, fingerprints, and what is shared."""

from __future__ import annotations

import itertools
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.builders import FULL, make_config, make_jobs

from hpmkd.config.load import to_yaml, validate
from hpmkd.config.request import Request
from hpmkd.errors import UsageError
from hpmkd.plan.catalog import BASELINES
from hpmkd.plan.grid import grid_of
from hpmkd.plan.job import Job, place_name
from hpmkd.sweep.resolution import resolve

WIDE = {"student": {"arch": "lenet5", "channels": [5, 10, 50]}}
NARROW = {"student": {"arch": "lenet5", "channels": [2, 3, 10]}}
OTHER = {"teacher": {"arch": "lenet5", "channels": [8, 9, 70]}, **NARROW}
PAIRS = {"wide": WIDE, "narrow": NARROW, "other": OTHER}
NAME = re.compile(
    r"(?P<logits>logits_)?(?P<role>teacher|assistant|search|student)_(?P<dataset>[A-Za-z0-9.-]+)(?:@(?P<condition>[A-Za-z0-9.-]+))?"
    r"(?:\+(?P<pair>[A-Za-z0-9.-]+))?(?:_(?P<baseline>[A-Za-z][A-Za-z0-9.-]*))?(?:_(?P<number>\d+)|_run(?P<run>\d+))?"
)


def jobs_of(**more: Any) -> dict[str, Job]:
    more = {"data__train_images": None, **FULL, "hpmkd__chain_length": 1, **more}
    return make_jobs(make_config(**more))


def prints(jobs: dict[str, Job]) -> dict[str, tuple[int, str]]:
    return {key: (job.seed, job.fingerprint) for key, job in jobs.items()}


def test_seeds_are_those_of_the_bare_name_under_every_condition_and_in_every_pair() -> None:
    plain = jobs_of(runs=3)
    grid = jobs_of(runs=3, datasets=["Digits", "Digits@n100", "Digits@n500"], pairs=PAIRS)
    for job in grid.values():
        if job.role == "student":
            assert job.seed == plain[f"student_Digits_{job.baseline}_run{job.run}"].seed
        elif job.role == "teacher":
            assert job.seed == plain[f"teacher_Digits{f'_{job.number}' if job.number else ''}"].seed
        elif job.role == "search":
            assert job.seed == plain["search_Digits"].seed
    assert {job.data.name for job in grid.values()} == {"Digits"}


def test_without_condition_and_with_one_pair_nothing_changes() -> None:
    plain = prints(jobs_of())
    again = prints(jobs_of(datasets=["Digits@n100", "Digits"]))
    assert plain.items() <= again.items()
    assert prints(jobs_of(pairs={"only": {}})) == plain
    named = jobs_of(pairs={"only": WIDE})
    assert named.keys() == plain.keys()
    assert prints(named) == prints(jobs_of(student__arch="lenet5", student__channels=[5, 10, 50]))


def test_a_condition_is_in_the_recipe_only_where_there_is_one() -> None:
    jobs = jobs_of(datasets=["Digits", "Digits@n100"])
    assert "data.condition" not in jobs["teacher_Digits"].recipe()
    recipe = jobs["teacher_Digits@n100"].recipe()
    assert (recipe["data.condition"], recipe["data.name"], recipe["data.train_images"]) == ("n100", "Digits", 100)
    for key, job in jobs.items():
        if "@" not in key:
            assert job.fingerprint != jobs[key.replace("Digits", "Digits@n100")].fingerprint


def test_names_with_several_pairs() -> None:
    jobs = jobs_of(datasets=["Digits@n100"], baselines=["Direct", "TAKD", "HPM-KD"], pairs=PAIRS, kd__logits="cached")
    for key in (
        "teacher_Digits@n100+lenet5",
        "teacher_Digits@n100+lenet5_2",
        "teacher_Digits@n100+lenet5-8-9-70",
        "logits_teacher_Digits@n100+lenet5",
        "assistant_Digits@n100+wide_TAKD",
        "search_Digits@n100+narrow",
        "student_Digits@n100+other_Direct_run1",
    ):
        assert key in jobs, key
    assert jobs["student_Digits@n100+other_Direct_run1"].reference == "teacher_Digits@n100+lenet5-8-9-70"
    assert jobs["student_Digits@n100+wide_HPM-KD_run1"].reference == "teacher_Digits@n100+lenet5"


def test_pairs_share_a_teacher_as_one_job_and_nothing_else() -> None:
    jobs = jobs_of(pairs=PAIRS, kd__logits="cached")
    teachers = [job for job in jobs.values() if job.role == "teacher"]
    assert len(teachers) == 2 * 2, "two networks, two seeds each"
    wide, narrow = (jobs[f"student_Digits+{pair}_TraditionalKD_run1"] for pair in ("wide", "narrow"))
    assert wide.parents[0] is narrow.parents[0]
    students = [job for job in jobs.values() if job.role in ("student", "assistant", "search")]
    pairs: dict[tuple[Any, ...], set[str]] = {}
    for job in students:
        pairs.setdefault((job.role, job.baseline, job.number, job.run), set()).add(job.fingerprint)
    # Without a teacher the pairs `narrow` and `other` are the same student.
    untaught = {"Direct", "DML", "BAN"}
    assert all(len(found) == (3 if untaught.isdisjoint(names) else 2) for names, found in pairs.items())


def test_a_pair_added_or_moved_leaves_the_others_as_they_were() -> None:
    two, three = jobs_of(pairs={"wide": WIDE, "narrow": NARROW}), jobs_of(pairs=dict(reversed(PAIRS.items())))
    assert prints(two).items() <= prints(three).items()


ENTRIES = ["Direct", "TAKD", "TAKD-steps2", "HPM-KD", "HPM-KD-noSharedMemory", "HPM-KD-chain2", "TraditionalKD-T2.5",
           "TraditionalKD-adaptive-part0.3"]  # fmt: skip


@settings(max_examples=30)
@given(
    st.lists(st.sampled_from(["Digits", "Digits@n100", "MNIST@n50", "FashionMNIST"]), min_size=1, unique=True),
    st.lists(st.sampled_from(ENTRIES), min_size=1, unique=True),
    st.lists(st.sampled_from(list(PAIRS)), unique=True),
)
def test_every_name_can_be_taken_apart_again(datasets: list[str], baselines: list[str], pairs: list[str]) -> None:
    grid = {name: PAIRS[name] for name in pairs}
    jobs = jobs_of(datasets=datasets, baselines=baselines, pairs=grid, kd__logits="cached")
    assert len({key.casefold() for key in jobs}) == len(jobs)
    for key, job in jobs.items():
        match = NAME.fullmatch(key)
        assert match, key
        found = match.groupdict()
        assert (found["dataset"], found["condition"]) == (job.data.name, job.data.condition)
        assert found["baseline"] == job.baseline
        if job.role == "student":
            assert (found["pair"], found["run"]) == (job.pair, str(job.run))
            assert job.pair == (None if len(pairs) < 2 else job.pair)


def test_the_grid_of_a_plan() -> None:
    datasets = ["Digits", "Digits@n100", "MNIST@n100"]
    jobs = jobs_of(datasets=datasets, baselines=["Direct", "AT"], pairs={"wide": WIDE, "narrow": NARROW}, runs=2)
    assert grid_of(jobs.values()) == {
        "dataset": ["Digits", "MNIST"],
        "condition": [None, "n100"],
        "pair": ["wide", "narrow"],
        "baseline": ["Direct", "AT"],
        "run": [1, 2],
    }
    assert grid_of(jobs_of(baselines=["AT"]).values())["pair"] == [None]


@pytest.mark.parametrize(
    ("pairs", "parts"),
    [
        ({"a_b": {}}, ["`pairs`", "expected: letters and digits, with single dots and dashes", "'a_b'", "r56-r20"]),
        ({"a+b": {}}, ["`pairs`", "letters and digits", "found: 'a+b'"]),
        ({"a" * 41: {}}, ["at most 40"]),
        ({"a": {"teacher": {"arc": "x"}}}, ["`pairs`", "pairs.a.teacher.arc: one of the keys arch,", "mean `arch`?"]),
        ({"a": {"teachr": {"arch": "x"}}}, ["pairs.a.teachr: one of the keys teacher, student", "mean `teacher`?"]),
        ({"a": {"pupil": {"arch": "x"}}}, ["`pairs`", "pairs.a.pupil: one of the keys", "pairs: {r56-r20: {teacher"]),
        ({"a": "resnet8"}, ["pairs.a: a mapping of keys to values", "for example pairs: {r56-r20: {teacher: {arch:"]),
        ({"a": {}, "A": {"student": {"arch": "resnet8"}}}, ["upper and lower case"]),
        (["a"], ["`pairs`"]),
    ],
)
def test_pairs_that_are_refused(pairs: Any, parts: list[str]) -> None:
    with pytest.raises(UsageError) as caught:
        validate({"datasets": ["Digits"], "baselines": ["Direct"], "pairs": pairs}, "f.yaml")
    for part in [*parts, "f.yaml"]:
        assert part in str(caught.value)
    for word in ("pattern", "PairConfig", "Extra inputs"):
        assert word not in str(caught.value)


def test_a_network_that_is_none_is_named_with_its_pair() -> None:
    for pairs in ({"a": {"teacher": {"arch": "vgg"}}}, {"a": {"teacher": {"arch": "vgg"}}, "b": {}}):
        with pytest.raises(UsageError, match=r"pairs\.a\.teacher\.arch: unknown architecture"):
            jobs_of(pairs=pairs)
    with pytest.raises(UsageError, match=r"^student\.arch"):
        jobs_of(pairs={"a": {}}, student__arch="vgg")


def test_pairs_come_back_from_the_saved_config() -> None:
    import yaml

    config = make_config(pairs=PAIRS)
    assert validate(yaml.safe_load(to_yaml(config)), "again") == config


def test_place_names() -> None:
    places = [place_name(*parts) for parts in itertools.product(("D",), (None, "n5"), (None, "a-b"))]
    assert places == ["D", "D+a-b", "D@n5", "D@n5+a-b"]


def test_every_baseline_in_a_pair_is_another_model() -> None:
    jobs = jobs_of(pairs={"wide": WIDE, "narrow": NARROW}, baselines=list(BASELINES))
    students = [job for job in jobs.values() if job.role == "student"]
    assert len({job.fingerprint for job in students}) == len(students) == 2 * len(BASELINES)


@pytest.mark.parametrize(
    ("pairs", "found"),
    [
        ({"a": {}, "b": {}}, "a and b"),
        ({"a": {"student": {"arch": "resnet8"}}, "c": {}, "b": {"student": {"arch": "resnet8"}}}, "a and b"),
        ({"a": {}, "b": {"teacher": {"arch": "lenet5", "channels": [20, 50, 500]}}}, "a and b"),
    ],
)
def test_the_same_networks_under_two_names_are_refused(pairs: Any, found: str, tmp_path: Path) -> None:
    """Else each student of one is a copy of the other's, and the statistics would count both."""
    with pytest.raises(UsageError, match=r"^command line, --pairs: the same networks under two names") as caught:
        resolve(Request("quick", str(tmp_path), overrides={"pairs": pairs}))
    assert caught.value.found == found
