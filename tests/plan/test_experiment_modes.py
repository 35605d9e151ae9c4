"""The plans of the experiments: which arms, how many models, and that each component has something to do."""

from __future__ import annotations

import math
from collections import Counter

import pandas as pd
import pytest
from support.arms import ALL_OFF, FULL, SINGLE

from hpmkd.analysis.experiments.arms import LEARNING, families
from hpmkd.analysis.experiments.budgets import beside
from hpmkd.audit.chosen import KEYS
from hpmkd.audit.grids import grids_of
from hpmkd.config.load import read_config_file, validate
from hpmkd.config.modes import shipped
from hpmkd.config.sweep import SweepConfig
from hpmkd.data.cache import describe
from hpmkd.plan.architecture import parameter_count
from hpmkd.plan.catalog import baselines_of
from hpmkd.plan.compression import compression, networks_of
from hpmkd.plan.job import Job
from hpmkd.plan.planner import expand
from hpmkd.plan.work import training_multiply_adds


def plan(mode: str) -> tuple[SweepConfig, list[str], tuple[Job, ...]]:
    config = validate(read_config_file(shipped()[mode]), mode)
    baselines = baselines_of(config)
    return config, [one.label for one in baselines], expand(config, describe(config), baselines)


@pytest.mark.parametrize("mode", ["ablation", "ablation_cpu"])
def test_ablation(mode: str) -> None:
    config, labels, jobs = plan(mode)
    assert set(labels) == {
        "Direct", "TraditionalKD", FULL, *SINGLE, "HPM-KD-noParallel", "HPM-KD-noSharedMemory", ALL_OFF,
    }  # fmt: skip
    counts = Counter(str(job.role) for job in jobs)
    # The second teacher, the assistant and the search of noSharedMemory are its own.
    assert (counts["teacher"], counts["search"], counts["student"]) == (3, 2, 10 * config.runs)
    assert counts["assistant"] == 2
    own = [job.key for job in jobs if job.baseline == "HPM-KD-noSharedMemory" and job.role != "student"]
    assert {key.partition("_")[0] for key in own} == {"teacher", "assistant", "search", "logits"}


@pytest.mark.parametrize("mode", ["interactions", "interactions_cpu"])
def test_interactions(mode: str) -> None:
    config, labels, jobs = plan(mode)
    assert len(labels) == len(set(labels)) == 18
    (family,) = families(labels)
    assert len(family.cells) == 2 ** len(LEARNING)
    counts = Counter(str(job.role) for job in jobs)
    assert {role: counts[role] for role in ("teacher", "assistant", "search", "student")} == {
        "teacher": 2, "assistant": 1, "search": 1, "student": 18 * config.runs,
    }  # fmt: skip


def test_the_twins_have_the_same_arms() -> None:
    for mode in ("ablation", "interactions"):
        assert plan(mode)[1] == plan(f"{mode}_cpu")[1]


@pytest.mark.parametrize("twin", ["", "_cpu"])
def test_both_experiments_share_what_is_costly(twin: str) -> None:
    """The second takes teachers, assistant and search of the first from the shared memory."""
    first, second = ({job.fingerprint for job in plan(mode + twin)[2] if job.shared} for mode in _MODES)
    assert len(second) == 4
    assert first == second


_MODES = ("ablation", "interactions")


def students(jobs: tuple[Job, ...]) -> list[Job]:
    return [job for job in jobs if job.role == "student"]


@pytest.mark.parametrize("mode", ["sensitivity", "sensitivity_cpu"])
def test_sensitivity(mode: str) -> None:
    config, labels, jobs = plan(mode)
    assert len(labels) == 1 + 2 * 30
    found = grids_of(config, KEYS)
    assert [(grid.name, len(grid.cells)) for grid in found] == [("TraditionalKD", 30), ("HPM-KD-noAdaptive", 30)]
    assert all(grid.usual in grid.cells for grid in found)
    counts = Counter(str(job.role) for job in jobs)
    assert (counts["teacher"], counts["assistant"], counts["search"]) == (1, 0, 0)
    assert counts["student"] == 61 * config.runs


@pytest.mark.parametrize("mode", ["chain", "chain_cpu"])
def test_chain(mode: str) -> None:
    _, labels, jobs = plan(mode)
    assert {"HPM-KD", "HPM-KD-noMultiTeacher", "HPM-KD-chain5", "TAKD", "TAKD-steps5"} < set(labels)
    assert len(labels) == 2 + 6 + 6 + 5
    counts = Counter(str(job.role) for job in jobs)
    # Of 1 to 5, for HPM-KD with and without several teachers together, and for TAKD; both have the same ones.
    assert (counts["teacher"], counts["assistant"], counts["search"]) == (2, 15 + 15, 1)
    assert len({job.fingerprint for job in jobs if job.role == "assistant"}) == 15
    sizes = {str(job.role): parameter_count(job.model) for job in jobs if job.role in ("teacher", "student")}
    assert sizes["teacher"] > 10 * sizes["student"], "a real gap"


@pytest.mark.parametrize("mode", ["teachers", "teachers_cpu"])
def test_teachers(mode: str) -> None:
    _, labels, jobs = plan(mode)
    numbers = [1, 2, 3, 4, 5, 6, 8]
    assert {f"HPM-KD{word}-M8" for word in ("", "-uniform", "-confidence")} | {"KD-Ensemble-M8"} < set(labels)
    counts = Counter(str(job.role) for job in jobs)
    assert (counts["teacher"], counts["assistant"], counts["search"]) == (max(numbers), 0, 1)
    assert len({job.seed for job in jobs if job.role == "teacher"}) == max(numbers), "trained independently"
    budgets = {job.baseline: job.fit.epochs for job in students(jobs) if str(job.baseline).startswith("KD-Budget")}
    ordered = [budgets[name] for name in sorted(budgets, key=lambda name: int(str(name).partition("M")[2] or 2))]
    assert ordered == sorted(set(ordered)), "more teachers, more epochs"


@pytest.mark.parametrize("mode", ["ratios", "ratios_cpu"])
def test_ratios(mode: str) -> None:
    config, _, jobs = plan(mode)
    networks = networks_of(jobs)
    assert len(networks) == len({student for _, student in networks.values()}) == 7
    (teacher,) = {teacher for teacher, _ in networks.values()}
    for ratio, (_, student) in zip(config.ratios, networks.values(), strict=True):
        assert compression(teacher, student)[0] == pytest.approx(ratio, rel=0.03)
    assert len([job for job in jobs if job.role == "teacher"]) == 1, "shared by all sizes"


@pytest.mark.parametrize("mode", ["costs", "costs_cpu"])
def test_costs(mode: str) -> None:
    """Direct has a number of epochs for what TraditionalKD costs, whoever shares its teacher."""
    _, _, jobs = plan(mode)
    work = {job.key: training_multiply_adds(job) or 0.0 for job in jobs}
    costs = {}
    for job in students(jobs):
        shared = sum(work[key] for key in {one.key for one in job.ancestors()})
        costs[str(job.baseline)] = {n: work[job.key] + shared / n for n in (1, 5, 20, math.inf)}
    direct = pd.Series({name: cost[1] for name, cost in costs.items() if name.startswith("Direct")}).sort_values()
    for students_of_one in (1, 5, 20, math.inf):
        place = beside(costs["TraditionalKD"][students_of_one], direct)
        assert place.equal, place
    assert beside(costs["HPM-KD"][5], direct).equal
    assert {"TraditionalKD-epochs120", "Direct"} < costs.keys()


@pytest.mark.parametrize("mode", ["sensitivity_cpu", "chain_cpu", "teachers_cpu", "ratios_cpu", "costs_cpu"])
def test_every_value_makes_another_student(mode: str) -> None:
    jobs = students(plan(mode)[2])
    assert len({job.fingerprint for job in jobs}) == len(jobs)
    assert len({job.seed for job in jobs}) == max(job.run or 0 for job in jobs), "seeds are those of the runs"


@pytest.mark.parametrize("mode", ["efficiency", "efficiency_cpu"])
def test_efficiency(mode: str) -> None:
    """Networks of several sizes, one larger than each student, and the measurement after them."""
    config, _, jobs = plan(mode)
    assert config.bench.latency
    assert (config.bench.batch_sizes, config.bench.measurements) == ([1, 8, 32, 128], 1000)
    assert config.bench.runtimes == ["eager", "export", "onnx"]
    assert config.runs >= 5
    networks = {job.model for job in jobs if job.role.is_network}
    assert len(networks) >= 4
    for job in students(jobs):
        assert all(parameter_count(parent.model) > 2 * parameter_count(job.model) for parent in job.teachers)


@pytest.mark.parametrize("mode", ["speedup", "speedup_cpu"])
def test_speedup(mode: str) -> None:
    """Enough students to keep eight workers busy, three repeats or more, weights that every run can give again."""
    config, _, jobs = plan(mode)
    assert (config.bench.workers, config.bench.repeats >= 3) == ([1, 2, 4, 8], True)
    assert len(students(jobs)) >= 8
    assert config.resources.deterministic or mode == "speedup_cpu"
    assert config.runs >= 5


@pytest.mark.parametrize("mode", ["representations", "representations_cpu"])
def test_representations(mode: str) -> None:
    """The references are there: a second teacher, and several seeds of Direct; and the measures are asked for."""
    config, labels, jobs = plan(mode)
    assert config.record.representations
    assert labels[0] == "Direct"
    assert config.runs >= 5
    assert sum(job.role == "teacher" for job in jobs) == 2


@pytest.mark.parametrize("mode", ["imbalance", "imbalance_cpu", "noise", "noise_cpu"])
def test_corrupted_data(mode: str) -> None:
    """With what is without corruption, and both kinds of teachers; clean ones are trained once for all."""
    config, labels, jobs = plan(mode)
    assert {"Direct", "TraditionalKD", "HPM-KD"} <= set(labels)
    assert config.runs >= 5
    conditions = {job.data.condition for job in students(jobs)}
    assert None in conditions
    oracle = {one for one in conditions if one and one.endswith("cleanTeacher")}
    assert {one.removesuffix("-cleanTeacher") for one in oracle} == {one for one in conditions - oracle if one}
    assert not [job for job in jobs if job.role in ("teacher", "assistant") and job.data.condition in oracle]
    assert len({job.fingerprint for job in students(jobs)}) == len(students(jobs))
    assert len({job.seed for job in students(jobs)}) == config.runs, "seeds are those of the runs"
    if mode.startswith("imbalance"):
        assert any(str(one).startswith("evenexp") for one in conditions)
