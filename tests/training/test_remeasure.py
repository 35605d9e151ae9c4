"""How far an accuracy that is measured again may lie from the one in the file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from hpmkd.config.sweep import DataConfig
from hpmkd.store.sidecar import Header
from hpmkd.training import remeasure as module
from hpmkd.training.remeasure import allowed_images, measure

GPU, OTHER = "NVIDIA H100 80GB HBM3", "Tesla T4"


@pytest.mark.parametrize(
    ("precision", "tf32", "there", "here", "images", "allowed"),
    [
        ("fp32", False, "cpu", "cpu", 10_000, 0),
        ("fp32", True, "cpu", "cpu", 10_000, 0),  # a CPU has none
        ("fp32", False, GPU, GPU, 10_000, 5),
        ("fp32", False, GPU, GPU, 100, 1),
        ("fp32", True, GPU, GPU, 10_000, 50),
        ("bf16", False, GPU, GPU, 10_000, 50),
        ("bf16", False, "cpu", "cpu", 10_000, 50),
        ("fp32", False, GPU, OTHER, 10_000, 50),
        ("fp32", False, GPU, "cpu", 10_000, 50),
        ("bf16", False, GPU, "cpu", 30, 1),
    ],
)
def test_images_that_may_be_judged_otherwise(
    precision: str, tf32: bool, there: str, here: str, images: int, allowed: int
) -> None:
    assert allowed_images(images, precision, tf32, there=there, here=here) == allowed


@pytest.fixture
def header(trained_output: Path) -> Header:
    from hpmkd.store.result_file import verify

    return verify(trained_output / "models" / "student_Digits_TAKD_run1.pt")


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (90.00, ""),
        (90.05, ""),
        (89.95, ""),
        (90.06, "measured 90.06%, the file says 90.00% (5 of 10000 images may differ where it was trained on X and"),
        (float("nan"), "measured nan%, the file says 90.00%"),
    ],
)
def test_on_a_gpu_some_images_may_differ_with_the_same_kernels(
    header: Header, found: float, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernels are chosen as they were in the training."""
    kernels = {"deterministic": True, "tf32": False, "benchmark": False}
    about = {**header.metadata, "device": "X", "kernels": {**kernels, "of a later version": 1}}
    seen: list[Any] = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "X")
    monkeypatch.setattr(module, "prepare_device", lambda device, **named: seen.append((device.type, named)))
    monkeypatch.setattr(module, "evaluate_file", lambda *given: (found, 10_000))
    again, wrong = measure(replace(header, accuracy=90.0, metadata=about), Path("x.pt"), DataConfig(), {})
    assert seen == [("cuda", kernels)]
    assert repr(again) == repr(found)
    assert wrong.startswith(expected)
    assert bool(wrong) == bool(expected)


def test_what_a_cpu_measures_is_exact(header: Header, monkeypatch: pytest.MonkeyPatch) -> None:
    for found in (header.accuracy, header.accuracy + 1e-4):
        monkeypatch.setattr(module, "evaluate_file", lambda *given, found=found: (found, 10_000))
        _, wrong = measure(header, Path("x.pt"), DataConfig(), {})
        assert bool(wrong) == (found != header.accuracy)
    assert header.metadata["kernels"] == {}
