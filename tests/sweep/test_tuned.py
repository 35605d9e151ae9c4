"""What is made of what a tuning has tried; and when each has its turn."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from support.builders import make_config, make_jobs

from hpmkd.errors import Diverged, EnvironmentProblem, HpmkdError
from hpmkd.plan.job import Job
from hpmkd.plan.trials import WORST
from hpmkd.sweep.failures import TRIES, Attempts, kind_of
from hpmkd.sweep.samplers import need_sampler
from hpmkd.sweep.tuned import conclusion, rows, summary, trying
from hpmkd.sweep.tuning import GivenSettings
from hpmkd.sweep.tunings import next_tuning, waiting_for_tunings, without_tunings


@pytest.fixture(scope="module")
def jobs() -> dict[str, Job]:
    names = ["Direct", "Direct-tuned", "TraditionalKD", "TraditionalKD-tuned"]
    return make_jobs(make_config(baselines=names, fit__student_epochs=10, tune__first=0.5))


@pytest.fixture(scope="module")
def job(jobs: dict[str, Job]) -> Job:
    return jobs["search_Digits_Direct-tuned"]


def row(number: int, epoch: int, loss: float, error: float = 0.0, lr: float = 0.1) -> dict[str, Any]:
    return {
        "number": number, "settings": {"fit.lr": lr}, "tune_epoch": epoch, "tune_loss": loss, "standard_error": error,
        "accuracy_pct": 90.0 + number, "seconds": epoch * 1.5,
    }  # fmt: skip


def test_what_was_noted_comes_back(tmp_path: Path) -> None:
    """A torn line is none; what a restarted trial says again counts once, as it was said last."""
    file = tmp_path / "tried.jsonl"
    lines = [row(1, 5, 2.0), row(0, 5, 1.0), row(0, 10, 0.5), row(1, 5, 1.5)]
    file.write_text("".join(json.dumps(one) + "\n" for one in lines) + json.dumps(row(2, 5, 1.0))[:40])
    assert rows(file) == [row(0, 5, 1.0), row(0, 10, 0.5), row(1, 5, 1.5)]
    assert rows(tmp_path / "nothing") == []


@pytest.mark.parametrize(
    ("tried", "chosen"),
    [
        ([row(0, 10, 1.0), row(1, 10, 0.5)], 1),
        ([row(0, 10, 1.0), row(1, 10, 0.95, error=0.1)], 0),  # within a standard error of the best
        ([row(0, 10, 1.0), row(1, 10, 0.95, error=0.04)], 1),
        ([row(0, 5, 0.1), row(1, 10, 0.9)], 1),  # the first did not come to the end
        ([row(0, 10, 1.0), row(1, 5, 0.1)], 0),  # nor did the other
        ([row(2, 10, 0.5), row(1, 10, 0.5)], 1),
        ([row(0, 10, float("nan")), row(1, 10, 0.9)], 1),
    ],
)
def test_what_is_chosen(tried: list[dict[str, Any]], chosen: int, job: Job) -> None:
    found = conclusion(job, tried)
    assert found["accuracy_pct"] == 90.0 + chosen
    assert len([one for one in found["evidence"] if "failed" not in one]) == len(tried)
    lost = {one["candidate"] for one in found["evidence"] if "failed" in one}
    assert lost == set(range(12)) - {one["number"] for one in tried}


def test_without_the_rule_the_best_is_chosen() -> None:
    jobs = make_jobs(make_config(baselines=["Direct-tuned"], fit__student_epochs=10, tune__one_standard_error=False))
    tried = [row(0, 10, 1.0), row(1, 10, 0.99, error=0.5)]
    assert conclusion(jobs["search_Digits_Direct-tuned"], tried)["accuracy_pct"] == 91.0


def test_what_it_cost_is_all_that_was_tried(job: Job) -> None:
    found = conclusion(job, [row(0, 5, 1.0), row(0, 10, 1.0), row(1, 5, 2.0), row(2, 10, 3.0)])
    assert found["train_seconds"] == 15 + 7.5 + 15
    assert found["evidence"][0] == {
        "candidate": 0, "epochs": 5, "validation_loss": 1.0, "standard_error": 0.0, "validation_accuracy_pct": 90.0,
        "train_seconds": 7.5, "fit.lr": 0.1,
    }  # fmt: skip


def test_none_that_came_to_the_end(job: Job) -> None:
    for tried in ([], [row(0, 5, 1.0)]):
        with pytest.raises(HpmkdError, match="no settings were trained to the end"):
            conclusion(job, tried)


def test_settings_with_which_it_diverges_are_never_chosen(job: Job) -> None:
    """Be it in the last epoch: rather nothing is chosen, and it is not tried again."""
    assert conclusion(job, [row(0, 10, WORST), row(1, 10, 0.9)])["accuracy_pct"] == 91.0
    assert conclusion(job, [row(0, 10, 0.9), row(1, 10, WORST)])["accuracy_pct"] == 90.0
    every = [row(number, 10 - number % 2, WORST) for number in range(12)]
    with pytest.raises(Diverged, match="no settings were trained to the end") as caught:
        conclusion(job, every)
    assert str(caught.value.found).startswith("of 12 settings 12 with which the training diverges, 0 that were")
    assert kind_of(caught.value) == "diverged"
    assert TRIES["diverged"] == 1
    with pytest.raises(HpmkdError) as caught:
        conclusion(job, every[:10])
    assert str(caught.value.found).endswith("2 whose trials failed before a comparison")
    assert not isinstance(caught.value, Diverged)
    with pytest.raises(HpmkdError) as caught:  # all failed later: nothing says that they would again
        conclusion(job, [row(number, 5, 1.0) for number in range(12)])
    assert not isinstance(caught.value, Diverged)


def test_what_is_said(job: Job) -> None:
    assert trying(job, 3) == "Direct-tuned tuning Digits: trying 12 settings of fit.lr"
    found = {"chosen": {"fit.lr": 0.002, "kd.alpha": 0.5}, "accuracy_pct": 91.234, "evidence": [{"candidate": 0}]}
    assert summary(found) == "fit.lr 0.002, kd.alpha 0.5 (91.23% on validation)"
    found["evidence"] = [{"candidate": 0}, {"candidate": 1, "failed": True}]
    assert summary(found).endswith("(91.23% on validation); the trials of 1 setting FAILED: see tune/")


def test_settings_are_handed_out_once(tmp_path: Path) -> None:
    searcher = GivenSettings([{"a": 1.0}, {"a": 2.0}, {"a": 3.0}])
    first = searcher.suggest("x")
    searcher.save(str(tmp_path / "state"))
    other = GivenSettings([])
    other.restore(str(tmp_path / "state"))
    rest = [other.suggest(name) for name in "yzu"]
    assert [first, *rest] == [
        {"number": 0, "settings": {"a": 1.0}},
        {"number": 1, "settings": {"a": 2.0}},
        {"number": 2, "settings": {"a": 3.0}},
        "FINISHED",
    ]


def test_who_waits(jobs: dict[str, Job]) -> None:
    plan, tuned = list(jobs.values()), {key for key in jobs if "tuned" in key}
    assert waiting_for_tunings(plan, list(jobs)) == tuned
    assert {job.key for job in without_tunings(plan, list(jobs))} == jobs.keys() - tuned
    missing = jobs.keys() - {"search_Digits_Direct-tuned"}
    assert waiting_for_tunings(plan, missing) == {key for key in tuned if "TraditionalKD" in key}
    assert waiting_for_tunings(plan, []) == set()


def test_whose_turn_it_is(jobs: dict[str, Job]) -> None:
    plan, attempts, missing = list(jobs.values()), Attempts(), set(jobs)
    direct, taught = jobs["search_Digits_Direct-tuned"], jobs["search_Digits_TraditionalKD-tuned"]
    assert next_tuning(plan, missing, attempts) is direct
    for _ in range(2):
        attempts.failed(direct.key, "error")
    assert next_tuning(plan, missing, attempts) is None  # the other one's teacher is missing
    assert next_tuning(plan, {taught.key}, attempts) is taught
    assert next_tuning(plan, set(), attempts) is None


def test_a_sampler_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    need_sampler("random")
    with pytest.raises(EnvironmentProblem, match="not installed"):
        need_sampler("optuna")


def test_optuna_learns_from_comparisons_alone(tmp_path: Path) -> None:
    """Candidates also report to save an epoch, without a loss; one that failed has none at its end."""
    pytest.importorskip("optuna")
    from ray import tune

    from hpmkd.sweep.optuna_sampler import OptunaSampler

    sampler = OptunaSampler({"settings/fit.lr": 1e-3}, 7)
    space = {"settings": {"fit.lr": tune.loguniform(1e-4, 1e-2)}}
    assert sampler.set_search_properties("tune_loss", "min", space)
    first = sampler.suggest("a")
    assert first == {"settings": {"fit.lr": pytest.approx(1e-3)}}
    sampler.on_trial_result("a", {"training_iteration": 1})
    sampler.on_trial_result("a", {"training_iteration": 2, "tune_loss": 0.5})
    sampler.on_trial_complete("a", {"training_iteration": 3, "tune_loss": 0.4})
    assert sampler.suggest("b") is not None
    sampler.on_trial_complete("b", {"training_iteration": 1}, error=True)
    assert 1e-4 <= sampler.suggest("c")["settings"]["fit.lr"] <= 1e-2
    sampler.save(str(tmp_path / "state"))
    OptunaSampler({"settings/fit.lr": 1e-3}, 7).restore(str(tmp_path / "state"))
