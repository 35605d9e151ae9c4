"""Imbalance and label noise in the plan: names, seeds, fingerprints, and whose teachers are whose."""

from __future__ import annotations

from typing import Any

import pytest
from support.builders import make_config, make_jobs

from hpmkd.config import conditions
from hpmkd.config.load import validate
from hpmkd.data.conditions.catalog import CONDITIONS
from hpmkd.data.conditions.entries import entries_of
from hpmkd.errors import UsageError
from hpmkd.plan.job import Job

BASELINES = ["Direct", "TraditionalKD", "TAKD", "HPM-KD"]


def jobs_of(**more: Any) -> dict[str, Job]:
    given = {"data__train_images": None, "kd__logits": "cached", "baselines": BASELINES, "hpmkd__chain_length": 1}
    return make_jobs(make_config(**{**given, **more}))


def test_the_words_are_those_of_the_conditions() -> None:
    assert tuple(CONDITIONS) == conditions.WORDS
    kinds = {
        "imbalance": conditions.IMBALANCE,
        "noise": conditions.NOISE,
        "subset": conditions.SUBSET,
    }
    for kind, words in kinds.items():
        assert tuple(word for word, one in CONDITIONS.items() if one.kind == kind) == words


def test_old_plans_are_as_they_were_and_seeds_are_those_of_the_bare_name() -> None:
    plain = jobs_of(runs=2)
    grid = jobs_of(
        runs=2,
        data__imbalance=[None, "exp10"],
        data__label_noise=[None, "sym0.2"],
        data__teacher_sees=["same", "clean"],
    )
    for key, job in plain.items():
        assert (grid[key].fingerprint, grid[key].seed) == (job.fingerprint, job.seed)
        assert "data.condition" not in grid[key].recipe()
    for job in grid.values():
        if job.role == "student":
            assert job.seed == plain[f"student_Digits_{job.baseline}_run{job.run}"].seed
        assert job.data.name == "Digits"


def test_every_condition_is_another_model() -> None:
    words = ["n500", "exp10", "step10", "exp20", "evenexp10", "evenstep10", "sym0.2", "sym0.3", "asym0.2", "pair0.2",
             "sym0.2-cleanVal", "exp10-sym0.2", "sym0.2-cleanTeacher", "exp10-cleanTeacher"]  # fmt: skip
    jobs = jobs_of(datasets=["Digits", *(f"Digits@{word}" for word in words)])
    students = [job for job in jobs.values() if job.role == "student"]
    assert len({job.fingerprint for job in students}) == len(students)
    # Direct of a clean teacher's place is that of the same images.
    assert len(students) == (1 + len(words)) * len(BASELINES) - 2


def test_clean_teachers_are_the_very_models_of_the_clean_data_set() -> None:
    jobs = jobs_of(datasets=["Digits", "Digits@sym0.2-cleanTeacher", "Digits@exp10-sym0.2-cleanTeacher"])
    teachers = {key for key, job in jobs.items() if job.role in ("teacher", "assistant")}
    assert not any("@" in key for key in teachers)
    clean = jobs_of(datasets=["Digits"])
    for key in teachers:
        assert jobs[key].fingerprint == clean[key].fingerprint
    taught = jobs["student_Digits@sym0.2-cleanTeacher_TraditionalKD_run1"]
    assert taught.parents[0] is jobs["student_Digits_TraditionalKD_run1"].parents[0], "the same logits, of equal images"
    few = jobs["student_Digits@exp10-sym0.2-cleanTeacher_TraditionalKD_run1"]
    assert few.parents[0].key == "logits_teacher_Digits@exp10-cleanTeacher"
    assert few.parents[0].parents[0].key == few.reference == "teacher_Digits"
    assert jobs["search_Digits@sym0.2-cleanTeacher"].parents[0].parents[0].key == "teacher_Digits"


def test_teachers_see_what_students_see_by_default() -> None:
    jobs = jobs_of(datasets=["Digits@exp10-sym0.2"])
    assert {job.data.condition for job in jobs.values()} == {"exp10-sym0.2"}
    assert jobs["student_Digits@exp10-sym0.2_TAKD_run1"].reference == "teacher_Digits@exp10-sym0.2"


def test_direct_is_trained_once_and_under_a_name_of_its_own_images() -> None:
    both = jobs_of(datasets=["Digits@exp10-cleanTeacher", "Digits@exp10"], runs=2)
    alone = jobs_of(datasets=["Digits@exp10-cleanTeacher"], runs=2)
    for jobs, reference in ((both, "teacher_Digits@exp10"), (alone, "teacher_Digits")):
        direct = [job for job in jobs.values() if job.baseline == "Direct"]
        assert [job.key for job in direct] == [f"student_Digits@exp10_Direct_run{run}" for run in (1, 2)]
        assert {job.reference for job in direct} == {reference}
        assert reference in jobs
    key = "student_Digits@exp10_Direct_run1"
    assert both[key].fingerprint == alone[key].fingerprint


def entries(datasets: list[str], **data: Any) -> list[str]:
    raw = {"datasets": datasets, "baselines": ["Direct"], "data": data}
    return entries_of(validate(raw, "test"))


@pytest.mark.parametrize(
    ("datasets", "data", "found"),
    [
        (["A", "B@n5"], {}, ["A", "B@n5"]),
        (["A", "B"], {"imbalance": "exp10"}, ["A@exp10", "B@exp10"]),
        (["A"], {"imbalance": [None, "exp10.0"]}, ["A", "A@exp10"]),
        (["A@step5", "A@n9"], {"imbalance": ["exp10"]}, ["A@step5", "A@n9-exp10"]),
        (["A", "A@exp10"], {"imbalance": [None, "exp10"]}, ["A", "A@exp10"]),
        (["A"], {"label_noise": [None, "sym0.2"], "clean_validation": True}, ["A", "A@sym0.2-cleanVal"]),
        (["A"], {"label_noise": [None, "sym0.2"], "teacher_sees": ["same", "clean"]},
         ["A", "A@sym0.2", "A@sym0.2-cleanTeacher"]),
        (["A"], {"imbalance": ["exp2"], "label_noise": ["pair0.1"], "teacher_sees": "clean"},
         ["A@exp2-pair0.1-cleanTeacher"]),
        (["A"], {"teacher_sees": "clean", "clean_validation": True}, ["A"]),
        (["A@sym0.2-cleanVal"], {"clean_validation": [False, True], "label_noise": "sym0.4"}, ["A@sym0.2-cleanVal"]),
    ],
)  # fmt: skip
def test_the_grid_of_config_keys(datasets: list[str], data: dict[str, Any], found: list[str]) -> None:
    assert entries(datasets, **data) == found


@pytest.mark.parametrize(
    ("data", "part"),
    [
        ({"imbalance": "sym0.2"}, "`data.imbalance`"),
        ({"label_noise": ["sym0.2", "sym0.2"]}, "each value once"),
        ({"label_noise": "sym2"}, "data.label_noise: 'sym2'"),
        ({"imbalance": "step1"}, "data.imbalance: 'step1'"),
        ({"teacher_sees": "dirty"}, "'same' or 'clean'"),
        ({"teacher_sees": []}, "at least one value"),
    ],
)
def test_values_that_are_refused(data: dict[str, Any], part: str) -> None:
    with pytest.raises(UsageError) as caught:
        entries(["A"], **data)
    assert part in str(caught.value)
