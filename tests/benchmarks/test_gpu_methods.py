"""What a step of every method costs, as the GPU benchmark measures it; on the CPU not recorded."""

from __future__ import annotations

import argparse
import time

import gpu_methods
import gpu_trainings
import pytest

from hpmkd.data.images import split
from hpmkd.methods.build import DISTILLERS


def test_every_method_has_a_row_and_direct_is_timed_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu_methods, "PAIR", [("Direct", "fp32", True), ("CRD", "fp32", True)])
    splits = split(gpu_trainings.made_up(64), gpu_trainings.SPEC)
    options = argparse.Namespace(device="cpu", batch=16, until=time.monotonic() + 600)
    rows = list(gpu_methods.measure(splits, options))
    assert [row.get("error") for row in rows] == [None] * len(rows)
    assert [row["method"] for row in rows] == ["Direct", "CRD", *DISTILLERS, "Direct"]
    assert {row["model"] for row in rows[:2]} == {"resnet8x4"}
    assert rows[0]["times_direct"] == rows[2]["times_direct"] == 1.0
    for row in rows:
        assert row["images_s"] == pytest.approx(16e6 / row["step_us"], rel=0.02, abs=1)
    rows = list(gpu_methods.measure(splits, argparse.Namespace(device="cpu", batch=16, until=time.monotonic() - 1)))
    assert ["skipped" in row for row in rows] == [False] + [True] * (len(rows) - 1)
