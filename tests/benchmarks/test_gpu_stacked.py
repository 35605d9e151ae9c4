"""Students of one shape as one network, as the GPU benchmark measures them; on the CPU not recorded."""

from __future__ import annotations

import argparse
import time
from typing import Any

import gpu_stacked
import gpu_trainings
import pytest
import torch

from hpmkd.data.images import Splits, split


@pytest.fixture(scope="module")
def splits() -> Splits:
    return split(gpu_trainings.made_up(64), gpu_trainings.SPEC)


def options(**more: Any) -> argparse.Namespace:
    given = {"device": "cpu", "precision": "fp32", "batch": 16, "epochs": 1, "until": time.monotonic() + 600}
    return argparse.Namespace(**{**given, **more})


def test_each_student_learns_what_it_would_learn_alone(splits: Splits) -> None:
    names = ("Direct", "KD", "FitNets", "AT", "HPM-KD")
    alone = [
        gpu_trainings.training(gpu_trainings.NAMED[name], splits, 1000, options(), False, seed=1 + place)
        for place, name in enumerate(names)
    ]
    made, network, step = gpu_stacked.make_step(names, splits, options())
    for index, view in list(made[0].batches.draws(1, 0))[:3]:
        step(index, view)
        for one in alone:
            one.step.run(index, view, 1.0, torch.zeros(()), taught=True)
    for place, (one, stacked) in enumerate(zip(alone, made, strict=True)):
        for name, weights in one.model.named_parameters():
            torch.testing.assert_close(
                network.get_parameter(name.replace(".", "_"))[place], weights, rtol=1e-4, atol=2e-5
            )
        for helper, other in zip(one.distiller.parameters(), stacked.distiller.parameters(), strict=True):
            torch.testing.assert_close(other, helper, rtol=1e-4, atol=2e-5)


def test_rows(splits: Splits, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = [(("KD", "KD"), "fp32", False), (("Direct", "AT", "KD"), "bf16", False), (("nobody",), "fp32", True)]
    monkeypatch.setattr(gpu_stacked, "WANTED", wanted)
    rows = list(gpu_stacked.measure(splits, options()))
    assert [(row["students"], row["count"]) for row in rows] == [("KD KD", 2), ("Direct AT KD", 3), ("nobody", 1)]
    for row in rows[:2]:
        assert row["images_s"] == pytest.approx(row["count"] * 16e6 / row["step_us"], rel=0.02, abs=1)
    assert "error" in rows[2]
    rows = list(gpu_stacked.measure(splits, options(until=time.monotonic() - 1)))
    assert ["skipped" in row for row in rows] == [False, True, True]
