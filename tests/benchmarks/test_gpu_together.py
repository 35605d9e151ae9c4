"""Several students' steps in one process, as the GPU benchmark measures them; on the CPU not recorded."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from typing import Any

import gpu_together
import gpu_trainings
import pytest
import torch

from hpmkd.data.augment import Batch
from hpmkd.data.images import Splits, split
from hpmkd.methods.base import Taps
from hpmkd.models import ModelOutput
from hpmkd.training.teachers import LiveTeacher
from hpmkd.training.train import Training

NAMES = ("Direct", "KD", "FitNets", "HPM-KD", "KD")


@pytest.fixture(scope="module")
def splits() -> Splits:
    return split(gpu_trainings.made_up(64), gpu_trainings.SPEC)


def options(**more: Any) -> argparse.Namespace:
    given = {"device": "cpu", "precision": "fp32", "batch": 16, "epochs": 1, "until": time.monotonic() + 600}
    return argparse.Namespace(**{**given, **more})


def trainings(splits: Splits, names: Sequence[str] = NAMES) -> list[Training]:
    return [
        gpu_trainings.training(gpu_trainings.NAMED[name], splits, 10, options(), False, seed=1 + place)
        for place, name in enumerate(names)
    ]


@pytest.mark.parametrize("shared", [True, False])
def test_each_student_learns_what_it_would_learn_alone(splits: Splits, shared: bool) -> None:
    alone, together = trainings(splits), trainings(splits)
    drawn = list(alone[0].batches.draws(1, 0))[:3]
    for one in alone:
        for index, view in drawn:
            one.step.run(index, view, 1.0, torch.zeros(()), taught=True)
    step = gpu_together.Together(together, parallel=True, shared=shared)
    for index, view in drawn:
        step(index, view)
    for one, other in zip(alone, together, strict=True):
        pairs = zip(one.model.state_dict().values(), other.model.state_dict().values(), strict=True)
        assert all(torch.equal(*pair) for pair in pairs)


@pytest.mark.parametrize("shared", [True, False])
def test_shared_teachers_are_asked_once_and_show_their_features(
    splits: Splits, shared: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, asked = trainings(splits, ("KD", "FitNets", "KD")), list[bool]()
    ask = LiveTeacher.outputs

    def outputs(self: LiveTeacher, batch: Batch, taps: Taps) -> ModelOutput:
        asked.append("features" in taps)
        return ask(self, batch, taps)

    monkeypatch.setattr(LiveTeacher, "outputs", outputs)
    gpu_together.Together(made, parallel=False, shared=shared)(*next(made[0].batches.draws(1, 0)))
    assert asked == ([True] if shared else [False, True, False])


def test_rows(splits: Splits, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = [(("KD",), False, True), (("Direct", "AT"), True, True), (("KD", "KD"), True, False)]
    monkeypatch.setattr(gpu_together, "WANTED", wanted)
    rows = list(gpu_together.measure(splits, options()))
    assert [(row["students"], row["count"], row["parallel"], row["shared"]) for row in rows[:3]] == [
        ("KD", 1, False, True),
        ("Direct AT", 2, True, True),
        ("KD KD", 2, True, False),
    ]
    assert [row["format"] for row in rows] == ["channels_last"] * 3 + ["nchw"] * 3
    for row in rows:
        assert row["images_s"] == pytest.approx(row["count"] * 16e6 / row["step_us"], rel=0.02)
        assert not row["recorded"]
    assert (rows[0]["ratio_to_first"], rows[3]["ratio_to_first"]) == (1.0, 1.0)


def test_without_time_one_row_is_measured_and_a_failed_one_is_no_end(
    splits: Splits, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = list(gpu_together.measure(splits, options(until=time.monotonic() - 1)))
    assert ["skipped" in row for row in rows] == [False] + [True] * (2 * len(gpu_together.WANTED) - 1)
    monkeypatch.setattr(gpu_together, "WANTED", [(("nobody",), False, True), (("KD",), False, True)])
    rows = list(gpu_together.measure(splits, options()))
    assert ["error" in row for row in rows] == [True, False] * 2
