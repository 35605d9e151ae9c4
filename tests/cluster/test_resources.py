"""What a trial gets, on machines that are not here."""

from __future__ import annotations

import pytest
from support.builders import config

from hpmkd.cluster import resources
from hpmkd.cluster.resources import Shares, TrialResources
from hpmkd.errors import EnvironmentProblem, UsageError
from hpmkd.plan.roles import Role


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch):
    def have(cpus: float, gpus: float = 0) -> None:
        monkeypatch.setattr(resources.ray, "cluster_resources", lambda: {"CPU": cpus, "GPU": gpus})

    return have


@pytest.mark.parametrize(
    ("cpus", "gpus", "given", "expected"),
    [
        (2, 0, {}, (1, 0, "cpu", 2)),
        (8, 0, {"fit__threads": 2}, (2, 0, "cpu", 4)),
        (8, 0, {"resources__max_concurrent": 3}, (1, 0, "cpu", 3)),
        (8, 0, {"resources__cpus_per_trial": 4.0}, (4, 0, "cpu", 2)),
        (2, 1, {}, (1, 0.5, "cuda", 2)),
        (16, 1, {}, (1, 0.125, "cuda", 8)),
        (32, 8, {}, (1, 0.25, "cuda", 32)),
        (4, 8, {}, (1, 1, "cuda", 4)),
        (16, 1, {"resources__gpus_per_trial": 0.2}, (1, 0.2, "cuda", 5)),
        (16, 1, {"resources__gpus_per_trial": 0.1}, (1, 0.1, "cuda", 10)),
        (16, 4, {"resources__gpus_per_trial": 0.3}, (1, 0.3, "cuda", 12)),
        (16, 1, {"resources__device": "cpu"}, (1, 0, "cpu", 16)),
        (16, 1, {"resources__gpus_per_trial": 0.0}, (1, 0, "cpu", 16)),
    ],
)
def test_share(machine, cpus: float, gpus: float, given: dict, expected: tuple) -> None:
    machine(cpus, gpus)
    part = resources.trial_resources(config(**given))
    assert (part.cpus, part.gpus, part.device, part.concurrent) == expected


@pytest.mark.parametrize(
    ("share", "expected"),
    [
        (0.3, "0.3 of a GPU per trial: 3 on each GPU, of which 10% is left; 1/3 (0.333) leaves none"),
        (0.6, "0.6 of a GPU per trial: 1 on each GPU, of which 40% is left; 1 leaves none"),
        (0.33, ""),
        (0.2, ""),
        (0.1, ""),
        (1.0, ""),
        (0.0, ""),
    ],
)
def test_a_share_that_leaves_a_rest(machine, share: float, expected: str) -> None:
    machine(16, 1)
    assert resources.trial_resources(config(resources__gpus_per_trial=share)).left_over == expected


@pytest.mark.parametrize(
    ("cpus", "gpus", "per_gpu", "expected"),
    [(16, 1, 5, (0.2, 5)), (16, 1, 40, (1 / 16, 16)), (4, 1, 5, (0.25, 4)), (64, 8, 3, (1 / 3, 24))],
)
def test_a_measured_share(machine, cpus: float, gpus: float, per_gpu: int, expected: tuple) -> None:
    """No more trials than cores: each keeps one busy."""
    machine(cpus, gpus)
    part = resources.trial_resources(config(), per_gpu)
    assert (part.gpus, part.concurrent) == expected


@pytest.mark.parametrize(
    ("gpus", "given", "expected"),
    [
        (1, {}, True),
        (1, {"resources__gpus_per_trial": "auto"}, True),
        (0, {}, False),
        (1, {"resources__device": "cpu"}, False),
        (1, {"resources__gpus_per_trial": 0.2}, False),
        (1, {"resources__gpus_per_trial": None}, False),
    ],
)
def test_when_a_gpu_is_measured(machine, gpus: float, given: dict, expected: bool) -> None:
    machine(8, gpus)
    assert resources.wants_measuring(config(**given)) is expected


@pytest.mark.parametrize(
    "given",
    [
        {"resources__cpus_per_trial": 4.0},
        {"fit__threads": 3},
        {"resources__gpus_per_trial": 0.5},
        {"resources__device": "cuda"},
    ],
)
def test_a_request_that_can_never_be_met_is_refused(machine, given: dict) -> None:
    """Tune would wait for ever without a word."""
    machine(2)
    with pytest.raises(EnvironmentProblem, match=r"at most 2 CPU cores and 0 GPUs") as caught:
        resources.trial_resources(config(**given))
    assert caught.value.exit_code == 3


def gpu(count: int, gpus: int = 1) -> TrialResources:
    return TrialResources(1, 1 / count, "cuda", count * gpus)


def test_compiled_kernels_want_no_gpu(machine) -> None:
    machine(2, 1)
    with pytest.raises(UsageError, match=r"(?s)there is a GPU.*--resources\.device cpu"):
        resources.trial_resources(config(fit__kernels="compiled"))
    assert resources.trial_resources(config(fit__kernels="compiled", resources__device="cpu")).device == "cpu"
    assert resources.trial_resources(config(fit__kernels="compiled", resources__gpus_per_trial=0.0)).device == "cpu"


def test_shares_by_role(machine) -> None:
    """Four teachers fill a GPU, and as many students as there are cores; nobody knows of assistants."""
    machine(12, 1)
    part = resources.shares(config(), [Role.TEACHER, Role.ASSISTANT, Role.STUDENT], {Role.TEACHER: 4, Role.STUDENT: 16})
    assert [part.of(role) for role in (Role.TEACHER, Role.STUDENT)] == [gpu(4), gpu(12)]
    assert part.of(Role.ASSISTANT) == part.of(Role.SEARCH) == gpu(8)
    assert (part.most, part.side_by_side) == (12, "4 to 12")
    assert part.places.total == 24
    assert dict(part.places.side_by_side) == dict.fromkeys(Role, 8) | {Role.TEACHER: 4, Role.STUDENT: 12}


def test_without_measuring_all_are_alike(machine) -> None:
    machine(3)
    part = Shares(resources.trial_resources(config()))
    assert part.description == "1 core per trial, 3 side by side"
    assert {part.of(role) for role in Role} == {part.common}
    assert part.places.total == 3


def test_shares_in_words() -> None:
    own = {Role.TEACHER: gpu(4), Role.LOGITS: gpu(5), Role.STUDENT: gpu(4)}
    assert (
        Shares(gpu(8), own).description
        == "0.25 GPU per teacher or student, 0.2 GPU per logits cache, 4 to 5 side by side"
    )
    alike = Shares(gpu(8), {Role.TEACHER: gpu(5), Role.STUDENT: gpu(5)})
    assert alike.description == "0.2 GPU per trial, 5 side by side"


def test_a_retry_gives_more_to_each_role() -> None:
    whole = Shares(gpu(8), {Role.TEACHER: gpu(2), Role.STUDENT: gpu(16)})
    half = whole.fewer(lambda most: most // 2)
    assert half == Shares(gpu(4), {Role.TEACHER: gpu(1), Role.STUDENT: gpu(8)})
    alone = whole.fewer(lambda most: 1)
    assert {alone.of(role) for role in Role} == {gpu(1)}
    assert alone.places.total == 1
