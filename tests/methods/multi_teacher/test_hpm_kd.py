"""HPM-KD: what each switch does to names, plan and weights."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from support.builders import FULL, make_config, make_jobs
from support.trainings import make, same

from hpmkd.config.keys import default_of
from hpmkd.config.words import SWITCHES
from hpmkd.errors import UsageError
from hpmkd.plan.architecture import geometric_sizes, parameter_count
from hpmkd.plan.catalog import baselines_of
from hpmkd.plan.job import Job
from hpmkd.store.output_dir import OutputDir
from hpmkd.store.result_file import verify
from hpmkd.training.trial import run_job

NARROW = {"hpmkd__chain_length": 1, "hpmkd__gate_steps": 20, "adaptive__temperatures": [8.0], "adaptive__alphas": [0.5]}
OFF = "HPM-KD-noChain-noMultiTeacher-noMetaTemp-noAdaptive"


def test_all_switches_off_is_traditional_kd_bit_for_bit() -> None:
    jobs = make_jobs(make_config(baselines=["TraditionalKD", OFF]))
    kd, hpm = jobs["student_Digits_TraditionalKD_run1"], jobs[f"student_Digits_{OFF}_run1"]
    assert (kd.parents, kd.seed, kd.fit, kd.hparams) == (hpm.parents, hpm.seed, hpm.fit, hpm.hparams)
    first, second = make("TraditionalKD"), make("HPM-KD")
    assert list(first.epochs())[-1].terms == list(second.epochs())[-1].terms
    same(first, second)


def departs(key: str, value: Any) -> bool:
    """Whether a switch is one of HPM-KD that is not how the full method has it."""
    return key.startswith("hpmkd.") and value != default_of(key)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Baseline -> identity of the weights of its student, trained through the plan on real Digits."""
    words = [f"HPM-KD-{word}" for word, (key, value) in SWITCHES.items() if departs(key, value)]
    entries = ["TraditionalKD", "KD-Ensemble", "HPM-KD", OFF, *words]
    cache = tmp_path_factory.mktemp("cache")  # of its own: no other test has put a teacher there
    config = make_config(cache, baselines=entries, **NARROW)
    output, threads = OutputDir(tmp_path_factory.mktemp("hpm")), torch.get_num_threads()
    found = {}
    for job in make_jobs(config).values():
        assert list(run_job(job, output, config.data, torch.device("cpu")))[-1].status == "trained"
        if job.role == "student":
            found[str(job.baseline)] = verify(output.model_file(job)).metadata["weights_sha256"]
    torch.set_num_threads(threads)
    return found


def test_every_switch_that_should_changes_the_weights_and_the_others_do_not(weights: dict[str, str]) -> None:
    assert weights[OFF] == weights["TraditionalKD"]
    without_effect = {"HPM-KD-noParallel", "HPM-KD-noSharedMemory"}
    assert {weights[name] for name in without_effect} == {weights["HPM-KD"]}
    others = {name: value for name, value in weights.items() if name not in without_effect | {OFF}}
    assert len(set(others.values())) == len(others) == 11


def test_names_are_canonical() -> None:
    def name(*entries: str, **config: Any) -> list[str]:
        return [one.label for one in baselines_of(make_config(baselines=list(entries), **config))]

    assert name("HPM-KD-noMetaTemp-noChain") == ["HPM-KD-noChain-noMetaTemp"]
    assert name("HPM-KD", hpmkd__meta_temperature=False) == ["HPM-KD-noMetaTemp"]
    assert name("HPM-KD-noMetaTemp", hpmkd__meta_temperature=False) == ["HPM-KD-noMetaTemp"]
    assert name("HPM-KD-noMultiTeacher-uniform") == ["HPM-KD-noMultiTeacher"]
    assert name("HPM-KD", hpmkd__parallel=False, hpmkd__schedule="loss") == ["HPM-KD-lossTemp-noParallel"]


@pytest.mark.parametrize(
    ("entries", "match"),
    [
        (["HPM-KD-noFun"], "unknown word 'noFun'"),
        (["HPM-KD-uniform-confidence"], "twice"),
        (["HPM-KD-noChain-noMetaTemp", "HPM-KD-noMetaTemp-noChain"], "the same baseline twice"),
        (["HPM-KDx"], "unknown baseline"),
        (["TraditionalKD-noChain"], "unknown word 'noChain'"),
    ],
)
def test_names_that_mean_nothing(entries: list[str], match: str) -> None:
    with pytest.raises(UsageError, match=match):
        baselines_of(make_config(baselines=entries))


def _nets(job: Job) -> list[str]:
    return [parent.key for parent in job.parents if parent.role != "search"]


def test_parents_of_each_combination() -> None:
    entries = ["HPM-KD", "HPM-KD-noChain", "HPM-KD-noMultiTeacher", "KD-Ensemble"]
    jobs = make_jobs(make_config(baselines=entries, hpmkd__teachers=3, hpmkd__chain_length=2))
    parents = {name: _nets(jobs[f"student_Digits_{name}_run1"]) for name in entries}
    teachers = ["teacher_Digits", "teacher_Digits_2", "teacher_Digits_3"]
    chain = ["assistant_Digits_HPM-KD_1", "assistant_Digits_HPM-KD_2"]
    assert parents["HPM-KD"] == teachers + chain
    assert parents["HPM-KD-noChain"] == parents["KD-Ensemble"] == teachers
    assert parents["HPM-KD-noMultiTeacher"] == chain[-1:]
    assert [one.key for one in jobs[chain[1]].parents] == chain[:1]
    assert len({jobs[key].seed for key in teachers}) == 3
    large, small = (parameter_count(jobs[key].model) for key in ("teacher_Digits", "student_Digits_HPM-KD_run1"))
    for key, size in zip(chain, geometric_sizes(large, small, 3), strict=True):
        assert parameter_count(jobs[key].model) == pytest.approx(size, rel=0.05)


@pytest.mark.parametrize(("teacher", "count"), [("lenet5_teacher", 1), ("resnet56", 1), ("lenet5_student", 0)])
def test_automatic_chain_length(teacher: str, count: int) -> None:
    """L = ln(ratio) / ln 4 steps: a ratio of 11 makes two, one of 1 none."""
    jobs = make_jobs(make_config(baselines=["HPM-KD"], teacher__arch=teacher, **FULL))
    assert sum(job.role == "assistant" for job in jobs.values()) == count


def test_budget_control_trains_for_what_hpm_kd_costs() -> None:
    """Against the sum by hand: extra teacher, assistant and search, shared by the students, and a student itself."""
    from hpmkd.plan.architecture import forward_cost

    epochs = {"fit__teacher_epochs": 50, "fit__student_epochs": 30}
    config = make_config(baselines=["HPM-KD", "KD-Budget"], **epochs, **FULL)
    jobs = make_jobs(config)
    assistant = jobs["assistant_Digits_HPM-KD_1"].model
    large, middle = forward_cost(jobs["teacher_Digits"].model), forward_cost(assistant)
    small = forward_cost(jobs["student_Digits_HPM-KD_run1"].model)
    search = 4 * 15 * (3 * small + large)  # four candidates, for half of a student's epochs
    rest = 50 * 3 * large + 30 * (3 * middle + large) + search
    own = 30 * (3 * small + 2 * large + middle)
    expected = round((rest / 5 + own) / (3 * small + large))
    assert jobs["student_Digits_KD-Budget_run1"].fit.epochs == expected > 60
    assert jobs["student_Digits_KD-Budget_run1"].method == "TraditionalKD"


@pytest.mark.parametrize("arch", ["lenet5_teacher", "lenet5_student", "resnet8", "resnet20"])
@pytest.mark.parametrize("shape", [(3, 32), (1, 28)])
def test_forward_cost_against_counted_multiply_adds(arch: str, shape: tuple[int, int]) -> None:
    """Counted by torch itself on a real forward pass (two operations per multiply-add)."""
    from support.builders import make_spec
    from torch.utils.flop_counter import FlopCounterMode

    from hpmkd.config.networks import ModelConfig
    from hpmkd.models import build
    from hpmkd.plan.architecture import forward_cost, resolve

    spec = resolve(ModelConfig(arch=arch), make_spec(channels=shape[0], image_size=shape[1], classes=10), "x")
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        build(spec, 0).eval()(torch.zeros(1, shape[0], shape[1], shape[1]))
    assert forward_cost(spec) == counter.get_total_flops() // 2
