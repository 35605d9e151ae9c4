"""How many trials a GPU takes, and which job of each role is asked."""

from __future__ import annotations

import dataclasses

import pytest
from support.builders import make_spec
from support.plans import plan

from hpmkd.config.specs import ModelSpec
from hpmkd.plan.gpu_share import GpuUsage, most_demanding, step_cost
from hpmkd.plan.job import Job
from hpmkd.plan.roles import Role

GIB = 2**30


@pytest.mark.parametrize(
    ("total", "each", "busy", "expected"),
    [
        (80, 1, 0.10, 10),  # ten keep it busy
        (80, 1, 0.11, 10),
        (80, 1, 0.001, 16),
        (80, 1, 0.20, 5),
        (80, 1, 1.0, 4),  # one keeps it busy, but launches of small kernels overlap
        (80, 1, 0.26, 4),
        (80, 30, 0.10, 2),  # two fit
        (80, 30, 1.0, 2),
        (80, 30, None, 2),
        (80, 1, None, 8),  # nothing was seen: neither idle nor busy
        (80, 12, None, 6),
        (8, 12, 0.1, 1),  # it will fail alone, with a message of its own
    ],
)
def test_side_by_side(total: float, each: float, busy: float | None, expected: int) -> None:
    assert GpuUsage("X", int(total * GIB), int(each * GIB), busy).side_by_side() == expected


def test_what_was_not_seen_is_said() -> None:
    assert GpuUsage("X", 80 * GIB, 3 * GIB // 2, 0.4).description == "uses 1.5 GiB and keeps it 40 % busy"
    assert GpuUsage("X", 80 * GIB, GIB, None).description == "uses 1.0 GiB and how busy it keeps it was not seen"


def test_each_role_has_its_own_most_demanding_job() -> None:
    jobs = plan(1, ["Direct", "TAKD", "TraditionalKD-adaptive", "AT"], 2)
    found = most_demanding(jobs)
    assert set(found) == {Role.TEACHER, Role.ASSISTANT, Role.SEARCH, Role.LOGITS, Role.STUDENT}
    assert all(job.role is role for role, job in found.items())
    assert found[Role.STUDENT].baseline == "AT", "whose teacher runs at each step; the others look logits up"
    costs = [step_cost(job) for job in found.values()]
    assert costs == sorted(costs, reverse=True)


def test_a_large_network_makes_a_large_step() -> None:
    job = plan(1, ["Direct"], 1)[0]
    images = make_spec(channels=3, image_size=32, classes=100)
    large = dataclasses.replace(job, data=images, model=ModelSpec("resnet56", (16, 32, 64), 3, 32, 100), serial=True)
    assert most_demanding([job, large])[Role.TEACHER] is large
    assert most_demanding([large, job])[Role.TEACHER] is large


def test_a_logits_cache_takes_no_backward_pass() -> None:
    jobs: dict[str, Job] = {job.key: job for job in plan(1, ["TraditionalKD"], 1)}
    cache = jobs["logits_teacher_D0"]
    teacher = dataclasses.replace(cache.parents[0], fit=cache.fit)
    assert 3 * step_cost(cache) == step_cost(teacher) > 0
