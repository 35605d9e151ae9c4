"""What a trial gets, on machines that are not here."""

from __future__ import annotations

import pytest
from support.builders import config

from hpmkd.cluster import resources
from hpmkd.errors import EnvironmentProblem


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
