"""The plans of the experiments: which arms, how many models, and that each component has something to do."""

from __future__ import annotations

from collections import Counter

import pytest
from support.arms import ALL_OFF, FULL, SINGLE

from hpmkd.analysis.experiments.arms import LEARNING, families
from hpmkd.config.load import read_config_file, validate
from hpmkd.config.modes import shipped
from hpmkd.config.sweep import SweepConfig
from hpmkd.data.cache import describe
from hpmkd.plan.catalog import baselines_of
from hpmkd.plan.job import Job
from hpmkd.plan.planner import expand


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
