"""What is set on a GPU, without one; `test_gpu.py` does it on a real one."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from hpmkd.cluster import resources
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
