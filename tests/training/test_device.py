"""What is set on a GPU, and how its share is found, without one; `test_gpu.py` does it on a real one."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from support.builders import make_config, make_jobs

from hpmkd.audit.sweep_dir import Sweep, open_sweep
from hpmkd.cluster import resources
from hpmkd.config.load import to_yaml
from hpmkd.config.specs import spec_to_json
from hpmkd.data.cache import describe
from hpmkd.files import commit_bytes, commit_json
from hpmkd.plan.job import Job
from hpmkd.store.output_dir import OutputDir
from hpmkd.sweep import gpu_probe
from hpmkd.sweep.gpu_probe import GpuUsage, known_usage, most_demanding, rehearsal
from hpmkd.training import device

GIB = 2**30
GPU = torch.device("cuda")


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """What reaches torch's C++ side, where a GPU would be; torch's own checks before it run."""
    seen: dict[str, Any] = {}
    for module in (torch.cuda, torch.cuda.memory):
        monkeypatch.setattr(module, "_lazy_init", lambda: None)
    monkeypatch.setattr(torch._C, "_cuda_getDevice", lambda: 0, raising=False)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda where: SimpleNamespace(total_memory=80 * GIB))
    cap = torch._C, "_cuda_setMemoryFraction"
    monkeypatch.setattr(*cap, lambda part, where: seen.update(part=part, gpu=where), raising=False)
    monkeypatch.setattr(torch._C, "_set_deterministic_algorithms", lambda on, warn_only: seen.update(only=on))
    for module, name in ((torch.backends.cudnn, "benchmark"), (torch.backends.cudnn, "allow_tf32")):
        monkeypatch.setattr(module, name, False)  # and back to what it was
    products = torch.backends.cuda.matmul.allow_tf32
    yield seen
    torch.backends.cuda.matmul.allow_tf32 = products


@pytest.mark.parametrize("where", [GPU, torch.device("cuda", 0)])
def test_a_share_is_a_cap_and_leaves_room_for_the_context(settings: dict[str, Any], where: torch.device) -> None:
    device.prepare_device(where, 0.25)
    assert 0.24 < settings["part"] < 0.25
    assert settings["gpu"] == 0
    assert 4 * (settings["part"] * 80 * GIB + device.CONTEXT_BYTES) <= 80 * GIB * (1 + 1e-9)
    assert settings["only"] is False
    assert torch.backends.cudnn.benchmark is True
    assert device.memory_fraction(0.01, 8 * GIB) > 0


@pytest.mark.parametrize("share", [0.0, 1.0, 2.0])
def test_whole_gpus_have_no_cap(settings: dict[str, Any], share: float) -> None:
    device.prepare_device(GPU, share)
    assert "part" not in settings


def test_deterministic_kernels(settings: dict[str, Any]) -> None:
    device.prepare_device(GPU, 0.5, deterministic=True)
    assert settings["only"] is True
    assert torch.backends.cudnn.benchmark is False
    assert "CUBLAS_WORKSPACE_CONFIG" in resources.worker_env(deterministic=True)
    assert "CUBLAS_WORKSPACE_CONFIG" not in resources.worker_env()


def test_fp32_is_fp32_unless_tf32_is_asked_for(settings: dict[str, Any]) -> None:
    """Torch's defaults are TF32 convolutions beside fp32 products."""
    for wanted in (True, False):
        device.prepare_device(GPU, tf32=wanted)
        assert (torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32) == (wanted, wanted)


def test_nothing_is_set_for_the_cpu(settings: dict[str, Any]) -> None:
    device.prepare_device(torch.device("cpu"), 0.5, deterministic=True, tf32=True)
    assert settings == {}
    assert device.kernel_choice(torch.device("cpu")) == {}


def test_the_choice_of_kernels_can_be_set_again(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("deterministic", "tf32", "benchmark"):
        assert name in inspect.signature(device.prepare_device).parameters
    monkeypatch.setattr(torch.backends.cudnn, "benchmark", True)
    assert device.kernel_choice(GPU) == {
        "deterministic": False,
        "tf32": torch.backends.cudnn.allow_tf32,
        "benchmark": True,
    }


@pytest.mark.parametrize(
    ("total", "each", "busy", "expected"),
    [
        (80, 1, 0.20, 5),  # five keep it busy
        (80, 1, 0.21, 5),
        (80, 30, 0.10, 2),  # two fit
        (80, 1, 0.0, 16),
        (80, 1, 1.0, 1),
        (8, 12, 0.1, 1),  # it will fail alone, with a message of its own
    ],
)
def test_side_by_side(total: float, each: float, busy: float, expected: int) -> None:
    assert GpuUsage("X", int(total * GIB), int(each * GIB), busy).side_by_side() == expected


@pytest.fixture
def sweep(tmp_path: Path, cache_dir: Path) -> Sweep:
    config = make_config(cache_dir)
    output = OutputDir(tmp_path)
    commit_bytes(output.config_file, to_yaml(config).encode())
    commit_json(output.datasets_file, [spec_to_json(spec) for spec in describe(config)])
    return open_sweep(tmp_path)


def test_it_is_measured_once(sweep: Sweep, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu_probe.ray, "cluster_resources", lambda: {"GPU": 1.0, "accelerator_type:H100": 1.0})
    asked: list[str] = []

    def measure(given: Sweep, job: Job) -> GpuUsage | None:
        asked.append(job.key)
        return GpuUsage("X", 80 * GIB, GIB, 0.5) if len(asked) > 1 else None

    assert known_usage(sweep, measure) is None, "what failed is not kept"
    first = known_usage(sweep, measure)
    assert first == known_usage(sweep, measure)
    assert len(asked) == 2
    sweep.output.gpu_file.write_text("{")
    assert known_usage(sweep, measure) == first
    for number, change in enumerate(({"fingerprint": "of other settings"}, {"gpus": ["accelerator_type:T4"]}), start=4):
        commit_json(sweep.output.gpu_file, json.loads(sweep.output.gpu_file.read_text()) | change)
        known_usage(sweep, measure)
        assert len(asked) == number


def test_the_most_demanding_job_can_be_rehearsed(sweep: Sweep, cache_dir: Path) -> None:
    """Any training can: its parents' weights do not matter, and need not be there."""
    job = most_demanding(sweep.jobs)
    assert job.role not in ("logits", "search")
    for one in make_jobs(make_config(cache_dir)).values():
        if one.role in ("logits", "search"):
            continue
        training = rehearsal(one, sweep.config.data.model_dump_json(), torch.device("cpu"))
        index, view = next(gpu_probe._draws(training))
        before = [value.clone() for value in training.model.parameters()]
        training.step(index, view, 1.0, 0.0)
        assert any(not torch.equal(*pair) for pair in zip(before, training.model.parameters(), strict=True))


def test_only_whole_batches_are_measured(sweep: Sweep) -> None:
    training = rehearsal(most_demanding(sweep.jobs), sweep.config.data.model_dump_json(), torch.device("cpu"))
    draws = gpu_probe._draws(training)
    assert {len(next(draws)[0]) for _ in range(20)} == {training.fit.batch_size}


@pytest.mark.usefixtures("small_ray")
@pytest.mark.parametrize("seconds", [300.0, 0.01])
def test_a_gpu_that_cannot_be_measured_is_no_error(
    sweep: Sweep, seconds: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The test's Ray has GPUs that do not exist; and a worker that takes too long ends itself."""

    def refuse(*given: Any, **named: Any) -> None:
        pytest.fail("cancelling a task that is just ending aborts this process")

    monkeypatch.setattr(gpu_probe.ray, "cancel", refuse)
    monkeypatch.setattr(gpu_probe, "TIMEOUT_SECONDS", seconds)
    assert gpu_probe.measure(sweep, most_demanding(sweep.jobs)) is None
