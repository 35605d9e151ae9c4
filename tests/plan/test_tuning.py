"""Tunings in the plan: which settings, from which ranges, with which budget; and names that ask for them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.builders import make_config, make_jobs

from hpmkd.config.sweep import SweepConfig
from hpmkd.errors import UsageError
from hpmkd.plan.catalog import BASELINES, baseline_of, baselines_of
from hpmkd.plan.job import Job, label
from hpmkd.plan.trials import candidates, milestones, tuning_epochs
from hpmkd.plan.work import training_cost, work

KD = [("kd.alpha", 0.1, 1.0), ("kd.temperature", 1.0, 16.0)]
LS = [("ls.temperature", 1.0, 16.0), ("ls.weight", 1.125, 72.0)]
RATE = ("fit.lr", 0.00025, 0.008)


def space(entry: str, **more: Any) -> list[tuple[str, float, float]]:
    return list(baseline_of(make_config(**more), entry).tuned)


def tuning(entry: str = "TraditionalKD-tuned", **more: Any) -> Job:
    jobs = make_jobs(make_config(baselines=[entry], **more))
    (found,) = (job for job in jobs.values() if job.is_tuning)
    return found


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ("Direct-tuned", [RATE]),
        ("TraditionalKD-tuned", [RATE, *KD]),
        ("AT-tuned", [("at.beta", 12.5, 800.0), RATE, *KD]),
        ("AT-alone-tuned", [("at.beta", 12.5, 800.0), RATE]),
        ("WTTM-tuned", [RATE, ("wttm.beta", 0.5, 32.0), ("wttm.gamma", 0.05, 1.0)]),
        (
            "NKD-LS-tuned",
            [RATE, ("ls.temperature", 1.0, 16.0), ("ls.weight", 1.125, 72.0), ("nkd.gamma", 0.4375, 28.0)],
        ),
        ("CC-tuned", [("cc.beta", 12.5, 800.0), RATE, *KD]),
        ("CRD-alone-tuned", [("crd.beta", 0.1, 6.4), ("crd.temperature", 0.02, 0.3), RATE]),
        ("HPM-KD-noAdaptive-tuned", [RATE, *KD]),
        ("BAN-tuned", [RATE, *KD]),
        ("DML-tuned", [("dml.weight", 0.125, 8.0), RATE]),
        ("CTKD-tuned", [RATE, KD[0]]),
        ("MLKD-tuned", [RATE, ("mlkd.labels", 0.0125, 0.8), ("mlkd.weight", 0.1125, 7.2)]),
    ],
)
def test_what_is_tuned(entry: str, expected: list[Any]) -> None:
    assert space(entry) == [(key, pytest.approx(low), pytest.approx(high)) for key, low, high in sorted(expected)]


def test_every_baseline_but_a_budget_can_be_tuned() -> None:
    for name in BASELINES:
        if name == "KD-Budget":
            with pytest.raises(UsageError, match="unknown word 'tuned'"):
                space(f"{name}-tuned")
        else:
            assert RATE in space(f"{'HPM-KD-noAdaptive' if name == 'HPM-KD' else name}-tuned")


def test_ranges_of_ones_own() -> None:
    asked = {"kd.temperature": [2, 5], "fit.lr": [1e-4, 1e-1]}
    assert space("TraditionalKD-tuned", tune__space=asked) == [("fit.lr", 1e-4, 0.1), KD[0], ("kd.temperature", 2, 5)]
    assert space("TraditionalKD-tuned", tune__lr=False) == KD
    more = {"kd.until": [0.3, 1.0]}
    assert space("TraditionalKD-tuned", tune__space=more, tune__lr=False) == [*KD, ("kd.until", 0.3, 1.0)]


def test_what_is_tuned_reaches_the_loss() -> None:
    """A setting that no loss is given would change nothing."""
    for name in BASELINES:
        if name not in ("KD-Budget", "HPM-KD"):
            made = baseline_of(make_config(), f"{name}-tuned")
            assert {key for key, *_ in made.tuned} <= dict(made.hparams).keys() | {"fit.lr"}
    first = candidates(tuning("BAN-tuned"))[0]
    assert first == {"fit.lr": 1e-3, "kd.alpha": 1.0, "kd.temperature": 1.0}  # its own defaults, not KD's


@pytest.mark.parametrize(
    "key", ["kd.mixup", "takd.size", "crd.negatives", "hpmkd.teachers", "fit.student_epochs", "at.p"]
)
def test_a_range_of_what_is_no_weight(key: str) -> None:
    names = ["TAKD-tuned", "CRD-tuned", "HPM-KD-noAdaptive-tuned", "AT-tuned"]
    made = make_config(baselines=names, tune__space={key: [1, 2]})
    if key == "at.p":
        assert ("at.p", 1, 2) in baseline_of(made, "AT-tuned").tuned
    else:
        with pytest.raises(UsageError, match="is tuned of no baseline"):
            baselines_of(made)


def test_all_at_once() -> None:
    labels = [one.label for one in baselines_of(make_config(baselines=["Direct", "AT-untuned"], tune__every=True))]
    assert labels == ["Direct", "AT-untuned"]
    tuned = {one.label: bool(one.tuned) for one in baselines_of(make_config(baselines=["Direct", "AT-tuned"]))}
    assert tuned == {"Direct": False, "AT-tuned": True}
    every = ["Direct", "HPM-KD", "HPM-KD-noAdaptive", "TraditionalKD-adaptive", "KD-Budget"]
    made = baselines_of(make_config(baselines=every, tune__every=True))
    assert [bool(one.tuned) for one in made] == [True, False, True, False, False]


@pytest.mark.parametrize(
    ("entries", "more", "said"),
    [
        (["HPM-KD-tuned"], {}, "tuned beside a search"),
        (["TraditionalKD-adaptive-tuned"], {}, "tuned beside a search"),
        (["TraditionalKD-tuned-T2"], {}, "its settings are tuned"),
        (["TraditionalKD-trials5"], {}, "what it sets is switched off"),
        (["TraditionalKD-tuned-tuned"], {}, "twice"),
        (["Direct-tuned"], {"tune__lr": False}, "nothing to tune"),
        (["Direct-tuned"], {"tune__space": {"kd.temperature": [1, 2]}}, "is tuned of no baseline"),
        (["Direct"], {"tune__space": {"fit.lr": [1e-4, 1e-3]}}, "is tuned of no baseline"),
        (["Direct-tuned"], {"tune__space": {"fit.lr": [1e-3, 1e-4]}}, "lowest and the highest"),
        (["Direct-tuned"], {"tune__trials": 1}, "greater than or equal to 2"),
        (["Direct-tuned"], {"tune__space": {"fit.lr": [-1, 1]}}, "learning rates above 0"),
        (["TraditionalKD-tuned"], {"tune__space": {"kd.temperature": [0, 3]}}, "greater than 0"),
        (["TraditionalKD-tuned"], {"tune__space": {"kd.alpha": [0.5, 2]}}, "less than or equal to 1"),
        (["Direct-tuned"], {"protocol": "literature", "data__validation_fraction": 0.0}, "without validation images"),
    ],
)
def test_what_cannot_be(entries: list[str], more: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError) as caught:
        baselines_of(make_config(baselines=entries, **more))
    assert said in f"{caught.value.where} {caught.value.expected} {caught.value.found}"


def test_where_it_stands_in_the_plan() -> None:
    jobs = make_jobs(
        make_config(baselines=["Direct-tuned", "AT-tuned", "TraditionalKD-tuned"], runs=2, kd__logits="cached")
    )
    for name, parents in (("Direct", []), ("AT", ["teacher_Digits"]), ("TraditionalKD", ["logits_teacher_Digits"])):
        made = jobs[f"search_Digits_{name}-tuned"]
        assert [one.key for one in made.parents] == parents
        for run in (1, 2):
            student = jobs[f"student_Digits_{name}-tuned_run{run}"]
            assert [one.key for one in student.parents] == [*parents, made.key]
            assert [one.key for one in student.teachers] == parents
    assert label(jobs["search_Digits_AT-tuned"], 2) == "AT-tuned tuning Digits"


def test_more_runs_change_nothing() -> None:
    assert tuning(runs=1).fingerprint == tuning(runs=7).fingerprint
    assert tuning().fingerprint != tuning(tune__trials=13).fingerprint
    assert tuning().fingerprint != tuning(tune__metric="accuracy").fingerprint
    assert tuning().fingerprint != tuning(fit__lr=2e-3).fingerprint


def test_names_without_the_word_are_as_they_were() -> None:
    plain = make_jobs(make_config(baselines=["TraditionalKD"]))
    other = make_jobs(make_config(baselines=["TraditionalKD"], tune__trials=30, tune__lr=False))
    assert {key: job.fingerprint for key, job in plain.items()} == {key: job.fingerprint for key, job in other.items()}


@given(trials=st.integers(2, 60), seed=st.integers(0, 2**32))
def test_what_is_tried(trials: int, seed: int) -> None:
    job = replace(JOB, seed=seed, hparams=tuple({**dict(JOB.hparams), "tune.trials": trials}.items()))
    found = candidates(job)
    assert found == candidates(job)
    assert len(found) == trials
    assert found[0] == {"at.beta": 100.0, "fit.lr": 1e-3, "kd.alpha": 0.9, "kd.temperature": 4.0}
    for key, low, high in dict(job.hparams)["tune.space"]:
        assert all(low <= one[key] <= high for one in found)
        # One in each of as many parts of the range.
        parts = sorted(int((trials - 1) * _part(low, high, one[key])) for one in found[1:])
        assert sum(a != b for a, b in zip(parts, range(trials - 1), strict=True)) <= 2  # by rounding


def _part(low: float, high: float, value: float) -> float:
    from math import log

    return log(value / low) / log(high / low)


JOB = tuning("AT-tuned")


def test_the_same_luck_for_all() -> None:
    """What two baselines both have is tried at the same values."""
    one, other = candidates(tuning("AT-tuned")), candidates(tuning("TraditionalKD-tuned"))
    for key in ("fit.lr", "kd.alpha", "kd.temperature"):
        assert [row[key] for row in one] == [row[key] for row in other]


@pytest.mark.parametrize(
    ("epochs", "more", "expected"),
    [
        (30, {}, [6, 18, 30]),
        (100, {}, [20, 60, 100]),
        (1, {}, [1]),
        (2, {}, [1, 2]),
        (100, {"tune__first": 0.05}, [5, 15, 45, 100]),
        (100, {"tune__first": 1.0}, [100]),
        (100, {"tune__scheduler": "none"}, [100]),
        (81, {"tune__first": 0.1, "tune__reduction_factor": 2}, [8, 16, 32, 64, 81]),
    ],
)
def test_when_they_are_compared(epochs: int, more: dict[str, Any], expected: list[int]) -> None:
    job = tuning(fit__student_epochs=epochs, **more)
    assert milestones(job) == expected
    whole = 12 * epochs
    assert tuning_epochs(job) == whole if len(expected) == 1 else epochs < tuning_epochs(job) < whole


def test_its_cost_counts() -> None:
    job = tuning(fit__student_epochs=30, kd__logits="cached")
    # 12 to epoch 6, four of them to 18, two of these to 30.
    assert tuning_epochs(job) == 12 * 6 + 4 * 12 + 2 * 12
    student = make_jobs(make_config(baselines=["TraditionalKD"], fit__student_epochs=30, kd__logits="cached"))
    assert training_cost(job) == pytest.approx(144 / 30 * training_cost(student["student_Digits_TraditionalKD_run1"]))


def test_a_budget_for_less_than_two_settings_is_refused_and_for_more_than_a_thousand_is_not_spent() -> None:
    with pytest.raises(UsageError, match=r"tune.multiply_adds: too few for TraditionalKD-tuned"):
        tuning("TraditionalKD-tuned", tune__multiply_adds=1e3)
    job = tuning("TraditionalKD-tuned", tune__multiply_adds=1e17)
    assert dict(job.hparams)["tune.trials"] == 1000


def test_a_budget_of_multiply_adds() -> None:
    """A dearer method has fewer trials of the same budget."""
    once, dear = _cost("Direct"), _cost("AT")
    assert dear > once
    for entry, cost in (("Direct-tuned", once), ("AT-tuned", dear)):
        job = tuning(entry, tune__multiply_adds=20.5 * once)
        assert dict(job.hparams)["tune.trials"] == max(2, int(20.5 * once / cost))


def _cost(name: str) -> float:
    return work(make_jobs(make_config(baselines=[name]))[f"student_Digits_{name}_run1"])


def test_a_method_of_the_users_own() -> None:
    from hpmkd.config.extended import extended
    from hpmkd.config.fields import Fraction, NonNegative, PositiveInt, Section
    from hpmkd.config.own_method import OwnMethod

    class Settings(Section):
        beta: NonNegative = 1
        part: Fraction = 0.5
        steps: PositiveInt = 3
        off: NonNegative = 0.0

    import json

    settings = json.dumps(Settings.model_json_schema(), sort_keys=True)
    method = OwnMethod("Mine", "/x.py:Mine", "plain", "one", (), settings, "0")
    config: SweepConfig = extended([method])(datasets=["Digits"], baselines=["Mine-tuned"])
    assert list(baseline_of(config, "Mine-tuned").tuned) == [
        RATE,
        ("mine.beta", 0.125, 8.0),
        ("mine.part", 0.0625, 0.5),
    ]
