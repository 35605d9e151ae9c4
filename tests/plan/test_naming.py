"""Names of baselines with words: what they mean, how they are written, and which are refused."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.builders import FULL, SEARCH, make_config, make_jobs, make_spec

from hpmkd.config.words import vocabulary
from hpmkd.errors import UsageError
from hpmkd.plan.catalog import BASELINES, baseline_of, baselines_of
from hpmkd.plan.job import Job
from hpmkd.plan.planner import expand


def labels(*entries: str, **config: Any) -> list[str]:
    return [one.label for one in baselines_of(make_config(baselines=list(entries), **{**FULL, **SEARCH, **config}))]


@pytest.mark.parametrize(
    ("entry", "label"),
    [
        ("TraditionalKD-T2-a0.3", "TraditionalKD-T2-a0.3"),
        ("TraditionalKD-a.30-T2.0", "TraditionalKD-T2-a0.3"),
        ("TraditionalKD-T4-a0.9", "TraditionalKD"),
        ("AT-beta1000", "AT-beta1000"),
        ("AT-beta1e3", "AT-beta1000"),
        ("FitNets-beta1-twoStage", "FitNets-twoStage-beta1"),
        ("TAKD-steps2", "TAKD-steps2"),
        ("TAKD-steps1", "TAKD"),
        ("HPM-KD-chain3", "HPM-KD-chain3"),
        ("HPM-KD-chain3-noAdaptive", "HPM-KD-noAdaptive-chain3"),
        ("HPM-KD-M4-noChain-uniform", "HPM-KD-noChain-uniform-M4"),
        ("HPM-KD-chain0", "HPM-KD-noChain"),
        ("HPM-KD-noMultiTeacher-chain0", "HPM-KD-noChain-noMultiTeacher"),
        ("HPM-KD-noMultiTeacher-uniform", "HPM-KD-noMultiTeacher"),
        ("HPM-KD-noAdaptive-T2-a0.1", "HPM-KD-noAdaptive-T2-a0.1"),
        ("KD-Ensemble-M4", "KD-Ensemble-M4"),
        ("KD-Budget-M4", "KD-Budget-M4"),
        ("KD-Budget-chain0", "KD-Budget-noChain"),
        ("TraditionalKD-adaptive", "TraditionalKD-adaptive"),
        ("TAKD-steps2-adaptive", "TAKD-adaptive-steps2"),
        ("Direct-epochs94", "Direct-epochs94"),
        ("Direct-epochs2", "Direct"),
        ("AT-epochs94-beta7", "AT-beta7-epochs94"),
        ("HPM-KD-epochs1e2-noChain", "HPM-KD-noChain-epochs100"),
    ],
)
def test_canonical_names(entry: str, label: str) -> None:
    assert labels(entry) == [label]
    assert labels(label) == [label]


def test_a_number_that_the_config_says_is_left_out() -> None:
    assert labels("TraditionalKD-T2", "TraditionalKD-T4", kd__temperature=2.0) == ["TraditionalKD", "TraditionalKD-T4"]
    assert labels("HPM-KD-chain3", hpmkd__chain_length=3) == ["HPM-KD"]
    assert labels("HPM-KD-chain0", "HPM-KD-chain1", hpmkd__chain_length=0) == ["HPM-KD", "HPM-KD-chain1"]
    assert labels("FitNets", "FitNets-joint", fitnets__schedule="two_stage") == ["FitNets", "FitNets-joint"]


def test_a_switch_of_hpm_kd_stands_in_the_name_even_where_the_config_says_it() -> None:
    found = labels("HPM-KD", "HPM-KD-chain", "HPM-KD-chain2", hpmkd__chain=False)
    assert found == ["HPM-KD-noChain", "HPM-KD", "HPM-KD-chain2"]
    assert labels("HPM-KD", "HPM-KD-attention", hpmkd__weighting="uniform") == ["HPM-KD-uniform", "HPM-KD"]


@pytest.mark.parametrize(
    ("entry", "parts"),
    [
        ("Direct-T2", ["unknown word 'T2'", "Direct and any of tuned, trials20, epochs60"]),
        ("Direct-epochs0", ["`fit.student_epochs`", "greater than or equal to 1"]),
        ("Direct-epochs2.5", ["`fit.student_epochs`", "a whole number"]),
        ("KD-Budget-epochs9", ["unknown word 'epochs9'", "KD-Budget and any of"]),
        ("Direct-adaptive", ["unknown word 'adaptive'"]),
        ("TraditionalKD-beta3", ["unknown word 'beta3'", "TraditionalKD and any of adaptive, LS, tuned, T2, a0.5"]),
        ("TraditionalKD-noChain", ["unknown word 'noChain'"]),
        ("TraditionalKD-t2", ["unknown word 't2'"]),
        ("TraditionalKD-", ["unknown word ''"]),
        ("TraditionalKD-T2-T4", ["sets `kd.temperature` twice"]),
        ("TraditionalKD-T2-T2", ["twice"]),
        ("TraditionalKD-a1.5", ["sets `kd.alpha` to a value", "less than or equal to 1"]),
        ("TraditionalKD-T0", ["`kd.temperature`", "greater than 0"]),
        ("TraditionalKD-adaptive-adaptive", ["adaptive twice"]),
        ("TraditionalKD-adaptive-T2", ["T2 changes nothing", "comes from its search"]),
        ("TAKD-steps2.5", ["a whole number"]),
        ("TAKD-steps0", ["`takd.steps`", "greater than or equal to 1"]),
        ("TAKD-steps2-size9000", ["geometric"]),
        ("HPM-KD-T2", ["T2 changes nothing", "noAdaptive"]),
        ("HPM-KD-noMultiTeacher-M4", ["M4 changes nothing", "switched off"]),
        ("HPM-KD-noMetaTemp-high2", ["high2 changes nothing"]),
        ("FitNets-hint0.2", ["hint0.2 changes nothing"]),
        ("HPM-KD-uniform-gate10", ["gate10 changes nothing"]),
        ("HPM-KD-noChain-chain3", ["`hpmkd.chain_length` twice", "found: chain3 beside noChain"]),
        ("TAKD-steps2-size20000", ["expected: nothing beside takd.steps above 1", "found: 20000 beside takd.steps: 2"]),
        ("HPM-KD-noChain-chain0", ["twice"]),
        ("HPM-KD-chain21", ["less than or equal to 20"]),
        ("HPM-KD-noChain-noChain", ["twice"]),
        ("HPM-KD-M0", ["greater than or equal to 1"]),
        ("KD-Budget-noMetaTemp", ["unknown word"]),
        ("HPM-KDx", ["unknown baseline"]),
        ("Foo-T2", ["unknown baseline"]),
    ],
)
def test_names_that_are_refused_say_why_and_what_there_is(entry: str, parts: list[str]) -> None:
    with pytest.raises(UsageError) as caught:
        baselines_of(make_config(baselines=[entry], **FULL, **SEARCH))
    for part in [*parts, repr(entry)]:
        assert part in str(caught.value)


def test_two_names_of_one_baseline_are_refused() -> None:
    for pair in (("TAKD", "TAKD-steps1"), ("HPM-KD-noChain", "HPM-KD-chain0"), ("AT-beta7", "AT-beta7.0")):
        with pytest.raises(UsageError, match="the same baseline twice"):
            labels(*pair)


WORDS = {
    name: vocabulary(BASELINES[name].keys | baseline_of(make_config(**FULL, **SEARCH), name).reads)
    for name in BASELINES
}


@settings(max_examples=200)
@given(st.sampled_from(list(BASELINES)), st.data())
def test_the_order_of_words_does_not_matter_and_a_canonical_name_means_itself(name: str, data: Any) -> None:
    words = data.draw(st.lists(st.sampled_from(WORDS[name] or ["T2"]), max_size=4, unique=True))
    config = make_config(**FULL, **SEARCH)
    found = []
    for order in itertools.islice(itertools.permutations(words), 6):
        try:
            found.append(baseline_of(config, "-".join([name, *order])))
        except UsageError as error:
            found.append(type(error))
    if isinstance(found[0], type):
        assert set(found) == {UsageError}
        return
    again = baseline_of(config, found[0].label)
    for one in [*found, again]:
        assert (one.label, one.hparams, one.settings) == (again.label, again.hparams, again.settings)


def jobs_of(*entries: str, **more: Any) -> dict[str, Job]:
    given = {**FULL, **SEARCH, "data__train_images": None, **more}
    config = make_config(datasets=["Noise"], baselines=list(entries), **given)
    spec = make_spec(image_size=28, classes=10, images=1000)
    return {job.key: job for job in expand(config, [spec], baselines_of(config))}


def parents(jobs: dict[str, Job], name: str) -> list[str]:
    job = jobs[f"student_Noise_{name}_run1"]
    return [parent.key.replace("_Noise", "") for parent in job.parents]


def test_what_the_words_change_in_the_plan() -> None:
    names = ["TAKD", "TAKD-steps3", "TAKD-T2", "HPM-KD-chain3", "HPM-KD-noMultiTeacher-chain3", "HPM-KD-M4-noChain"]
    jobs = jobs_of(*names, "KD-Ensemble-M3", "HPM-KD")
    assert parents(jobs, "TAKD") == ["assistant_TAKD"]
    assert parents(jobs, "TAKD-steps3") == ["assistant_TAKD-steps3_3"]
    third = jobs["assistant_Noise_TAKD-steps3_3"]
    assert [one.key for one in third.ancestors()] == [
        "teacher_Noise", "assistant_Noise_TAKD-steps3_1", "assistant_Noise_TAKD-steps3_2",
    ]  # fmt: skip
    assert parents(jobs, "TAKD-T2") == ["assistant_TAKD-T2"]
    assert dict(jobs["assistant_Noise_TAKD-T2"].hparams)["kd.temperature"] == 2.0
    chain = [f"assistant_HPM-KD-chain3_{place}" for place in (1, 2, 3)]
    assert parents(jobs, "HPM-KD-chain3") == ["teacher", "teacher_2", *chain, "search"]
    assert parents(jobs, "HPM-KD-noMultiTeacher-chain3") == [chain[-1], "search"], "the chain is shared"
    assert parents(jobs, "HPM-KD-noChain-M4") == ["teacher", "teacher_2", "teacher_3", "teacher_4", "search"]
    assert parents(jobs, "KD-Ensemble-M3") == ["teacher", "teacher_2", "teacher_3"]
    assert len({jobs[f"teacher_Noise{number}"].seed for number in ("", "_2", "_3", "_4")}) == 4
    assert parents(jobs, "HPM-KD")[2] == "assistant_HPM-KD_1"


def test_a_search_has_a_name_of_its_own_only_where_a_word_concerns_it() -> None:
    jobs = jobs_of("HPM-KD", "HPM-KD-noChain-part0.3", "TraditionalKD-adaptive-part0.3", "HPM-KD-gate7")
    assert parents(jobs, "HPM-KD")[-1] == parents(jobs, "HPM-KD-gate7")[-1] == "search"
    assert parents(jobs, "HPM-KD-noChain-part0.3")[-1] == "search_part0.3"
    assert parents(jobs, "TraditionalKD-adaptive-part0.3")[-1] == "search_part0.3"
    assert dict(jobs["search_Noise_part0.3"].hparams)["adaptive.part"] == 0.3


def test_the_budget_follows_the_words() -> None:
    names = ["KD-Budget", "KD-Budget-M4", "KD-Budget-chain0", "KD-Budget-chain3", "KD-Budget-students1", "HPM-KD"]
    jobs = jobs_of(*names, fit__teacher_epochs=50, fit__student_epochs=30)
    labels = ["KD-Budget-noChain", "KD-Budget", "KD-Budget-chain3", "KD-Budget-M4", "KD-Budget-students1"]
    epochs = [jobs[f"student_Noise_{name}_run1"].fit.epochs for name in labels]
    assert epochs == sorted(set(epochs))
    fewer = jobs_of("KD-Budget", hpmkd__teachers=4, fit__teacher_epochs=50, fit__student_epochs=30)
    assert fewer["student_Noise_KD-Budget_run1"].fit.epochs == epochs[3]


def test_epochs_of_its_own_are_those_of_students_alone() -> None:
    """Assistants, searches and logits caches go by the sweep's own, so that baselines share them as ever."""
    names = ["Direct", "TraditionalKD", "TAKD", "TAKD-steps2", "HPM-KD", "HPM-KD-noSharedMemory", "AT", "FitNets"]
    more: dict[str, Any] = {"fit__student_epochs": 30, "kd__logits": "auto", "fit__views": 16, "hpmkd__chain_length": 2}
    plain = jobs_of(*names, **more)
    assert any(job.role == "logits" for job in plain.values())
    for epochs in (3, 94):
        both = jobs_of(*names, *(f"{name}-epochs{epochs}" for name in names), **more)
        assert {key: both[key].fingerprint for key in plain} == {key: job.fingerprint for key, job in plain.items()}
        new = {key: job for key, job in both.items() if key not in plain}
        assert {job.fit.epochs for job in new.values() if job.role == "student"} == {epochs}
        others = {key for key, job in new.items() if job.role != "student"}
        assert all("HPM-KD-noSharedMemory" in key for key in others), "what is its own alone"
        for name in names[:-3]:
            assert parents(both, f"{name}-epochs{epochs}") == parents(both, name)
    own = jobs_of("Direct", **{**more, "fit__student_epochs": 94})["student_Noise_Direct_run1"]
    assert both["student_Noise_Direct-epochs94_run1"].fingerprint == own.fingerprint


def test_epochs_in_a_grid() -> None:
    vary = [{"baselines": ["Direct", "AT-T2"], "fit.student_epochs": [10, 30, 94]}]
    found = labels("TraditionalKD", vary=vary, fit__student_epochs=30)
    assert found[1:4] == ["Direct-epochs10", "Direct", "Direct-epochs94"]
    assert found[4:] == ["AT-T2-epochs10", "AT-T2", "AT-T2-epochs94"]
    with pytest.raises(UsageError, match=r"KD-Budget.* does not depend on `fit.student_epochs`"):
        labels("AT", vary=[{"baselines": ["KD-Budget"], "fit.student_epochs": [10, 20]}])


def test_every_word_changes_the_fingerprint_of_the_student_and_of_nothing_that_others_share() -> None:
    for name, words in WORDS.items():
        base = jobs_of(name, **_OTHER)
        for word in words:
            # Its search chooses them; it is for two stages; they are those of LS; it is of tunings.
            alone = word in ("hint0.3", "lsT2", "lsWeight9", "trials20")
            idle = alone or (name, word[0]) in (("HPM-KD", "T"), ("HPM-KD", "a"))
            if idle or (name, word) in (("HPM-KD", "LS"), ("HPM-KD", "tuned")):
                with pytest.raises(UsageError, match="changes nothing" if idle else "beside"):
                    jobs_of(f"{name}-{word}", **_OTHER)
                continue
            jobs = jobs_of(f"{name}-{word}", **_OTHER)
            (student,) = (job for job in jobs.values() if job.role == "student")
            before = base[f"student_Noise_{name}_run1"].fingerprint
            same = word in ("noParallel", "noSharedMemory")
            assert (student.fingerprint == before) is same, (name, word)
            both = jobs_of(name, f"{name}-{word}", **_OTHER)
            assert both.keys() >= base.keys()
            assert all(both[key].fingerprint == job.fingerprint for key, job in base.items())


# Other numbers than the words have that an error names as examples.
_OTHER = {
    "fitnets__beta": 7.0, "at__beta": 7.0, "fitnets__schedule": "joint", "fitnets__hint_part": 0.7, "at__p": 3.0,
    "hpmkd__t_high": 3.0, "hpmkd__t_low": 0.1, "hpmkd__teachers": 3, "hpmkd__chain_length": 1,
    "adaptive__reduction_factor": 2, "adaptive__part": 0.9, "kd_budget__students": 2, "fit__student_epochs": 30,
    "dkd__warmup": 0.2, "rld__warmup": 0.2, "mlkd__labels": 0.7, "mlkd__weight": 0.7, "ctkd__start": 3.0,
    "ctkd__span": 7.0, "ctkd__ramp": 0.7, "rkd__distance": 7.0, "rkd__angle": 7.0, "cc__order": 3, "cc__beta": 7.0,
    "vid__variance": 3.0, "crd__dimensions": 64, "crd__momentum": 0.9, "reviewkd__warmup": 0.2,
    "ban__generations": 1, "ban__labels": 0.4,
}  # fmt: skip


def test_settings_are_those_of_the_baseline() -> None:
    entries = ["TraditionalKD", "TraditionalKD-T2", "HPM-KD-chain0", "HPM-KD-M3"]
    config = make_config(baselines=entries, **FULL, **SEARCH)
    found = {one.label: one for one in baselines_of(config)}
    assert found["TraditionalKD"].settings["kd.temperature"] == 4.0
    assert found["TraditionalKD-T2"].settings["kd.temperature"] == 2.0
    assert found["HPM-KD-noChain"].settings["hpmkd.chain_length"] == 0
    assert "kd.temperature" not in found["HPM-KD-M3"].settings
    assert found["HPM-KD-M3"].varied == {"hpmkd.teachers"}
    assert found["HPM-KD-noChain"].varied == {"hpmkd.chain_length"}


def test_the_plan_of_digits_is_the_same_with_and_without_words_that_say_nothing_new() -> None:
    plain = make_jobs(make_config(baselines=["TraditionalKD", "TAKD", "HPM-KD"], **FULL))
    names = ["TraditionalKD-T4.0", "TAKD-steps1-a0.9", "HPM-KD-attention-M2"]
    spelt = make_jobs(make_config(baselines=names, **FULL))
    assert {key: job.fingerprint for key, job in plain.items()} == {key: job.fingerprint for key, job in spelt.items()}
