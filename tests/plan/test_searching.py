"""What HPM-KD is by default, and what its search chooses among."""

from __future__ import annotations

import pytest
from support.builders import FULL, SEARCH, make_config, make_jobs

from hpmkd.errors import UsageError
from hpmkd.plan.catalog import baseline_of, baselines_of
from hpmkd.plan.searched import searched


def test_by_default_it_is_a_search_and_a_temperature_that_rises() -> None:
    jobs = make_jobs(make_config(baselines=["HPM-KD"]))
    assert [job.key for job in jobs.values()] == ["teacher_Digits", "search_Digits", "student_Digits_HPM-KD_run1"]
    hparams = dict(jobs["student_Digits_HPM-KD_run1"].hparams)
    assert hparams["hpmkd.t_high"] < 1 < hparams["hpmkd.t_low"]
    assert "hpmkd.weighting" not in hparams, "there is one teacher"


def test_candidates_are_learning_rates_with_the_configs_own_first() -> None:
    job = make_jobs(make_config(baselines=["HPM-KD"], fit__lr=0.01))["search_Digits"]
    assert searched(job) == [{"fit.lr": 0.01}, {"fit.lr": 0.02}, {"fit.lr": 0.04}, {"fit.lr": 0.08}]
    assert dict(job.hparams)["kd.temperature"] == 4.0


def test_temperature_and_alpha_can_be_searched_with_it_or_alone() -> None:
    more = {"adaptive__temperatures": [4, 2], "adaptive__alphas": [0.9, 0.5], "adaptive__lr_factors": [1, 3]}
    job = make_jobs(make_config(baselines=["HPM-KD"], fit__lr=0.01, **more))["search_Digits"]
    found = searched(job)
    assert len(found) == 8
    assert found[0] == {"fit.lr": 0.01, "kd.temperature": 4.0, "kd.alpha": 0.9}
    assert found[-1] == {"fit.lr": 0.03, "kd.temperature": 2.0, "kd.alpha": 0.5}
    assert not {"kd.temperature", "kd.alpha"} & dict(job.hparams).keys(), "not the config's"
    then = make_jobs(make_config(baselines=["HPM-KD"], **SEARCH))["search_Digits"]
    assert searched(then)[0] == {"kd.temperature": 2.0, "kd.alpha": 0.5}
    assert len(searched(then)) == 6


def test_what_is_not_searched_has_words_and_its_own_search() -> None:
    jobs = make_jobs(make_config(baselines=["HPM-KD", "HPM-KD-T2", "HPM-KD-LS", "TraditionalKD-adaptive-T2"]))
    searches = {key for key, job in jobs.items() if job.role == "search"}
    assert searches == {"search_Digits", "search_Digits_T2", "search_Digits_LS"}
    assert dict(jobs["search_Digits_T2"].hparams)["kd.temperature"] == 2.0
    for name in ("HPM-KD-T2", "TraditionalKD-adaptive-T2"):
        assert jobs["search_Digits_T2"] in jobs[f"student_Digits_{name}_run1"].parents
    with pytest.raises(UsageError, match="beside LS"):
        baselines_of(make_config(baselines=["HPM-KD-LS"], adaptive__temperatures=[4, 2]))


def labels(*entries: str, **more: object) -> list[str]:
    return [one.label for one in baselines_of(make_config(baselines=list(entries), **more))]


def test_as_many_teachers_as_it_has_anyway_are_no_word() -> None:
    assert labels("HPM-KD-M1", "HPM-KD-M2", "KD-Ensemble-M2", "KD-Ensemble-M3") == [
        "HPM-KD", "HPM-KD-M2", "KD-Ensemble", "KD-Ensemble-M3",
    ]  # fmt: skip
    assert labels("HPM-KD-M2", "KD-Ensemble-M3", hpmkd__teachers=3) == ["HPM-KD-M2", "KD-Ensemble"]
    with pytest.raises(UsageError, match="same baseline twice"):
        labels("HPM-KD", "HPM-KD-M1")
    config = make_config()
    teachers = {name: baseline_of(config, name).settings["hpmkd.teachers"] for name in ("HPM-KD", "KD-Ensemble")}
    assert teachers == {"HPM-KD": 1, "KD-Ensemble": 2}


def test_weighting_is_a_word_only_where_there_may_be_several() -> None:
    assert labels("HPM-KD-uniform") == ["HPM-KD"]
    assert labels("HPM-KD-uniform", **FULL) == ["HPM-KD-uniform"]
    assert labels("HPM-KD-uniform-M2", "HPM-KD-uniform-chain1") == ["HPM-KD-uniform-M2", "HPM-KD-uniform-chain1"]


def test_it_costs_less_than_a_second_teacher() -> None:
    more = {"fit__teacher_epochs": 50, "fit__student_epochs": 30}
    budgets = [
        make_jobs(make_config(baselines=["KD-Budget"], **more, **how))["student_Digits_KD-Budget_run1"].fit.epochs
        for how in ({}, {"hpmkd__teachers": 2})
    ]
    assert 30 < budgets[0] < budgets[1] / 1.5
