"""Trainings of a user's own network: dropout, continued to the bit, and the same random numbers for all methods."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from support.own_networks import ask, write
from support.trainings import make, same, saved

from hpmkd.config.specs import ModelSpec, model_from_json


@pytest.fixture
def tiny(tmp_path: Path) -> ModelSpec:
    write(tmp_path / "mine")
    found = ask(tmp_path / "mine", tmp_path / "copy", in_channels=1)
    return model_from_json(found["network"], str(tmp_path / "copy"))


@pytest.mark.parametrize("method", ["Direct", "TraditionalKD", "AT", "FitNets"])
def test_a_training_continues_to_the_bit(method: str, tiny: ModelSpec) -> None:
    whole, part = make(method, student=tiny, epochs=4), make(method, student=tiny, epochs=4)
    for _ in whole.epochs():
        pass
    for result in part.epochs():
        torch.rand(7)  # whatever else in the process draws
        if result.epoch == 2:
            break
    rest = make(method, student=tiny, epochs=4)
    rest.load_state_dict(saved(part))
    torch.manual_seed(99)
    for _ in rest.epochs():
        pass
    same(whole, rest)


def test_dropout_is_at_work(tiny: ModelSpec) -> None:
    """Otherwise the test above would say nothing."""
    model = make("Direct", student=tiny).model.train()
    images = torch.randn(4, 1, 16, 16)
    assert not torch.equal(model(images).logits, model(images).logits)
    seen = []
    for seed in (1, 2):
        training = make("Direct", student=tiny, epochs=1)
        training.seed = seed
        seen.append([result.train_loss for result in training.epochs()])
    assert seen[0] != seen[1]


def test_a_teacher_of_ones_own(tiny: ModelSpec) -> None:
    training = make("AT", teacher=tiny, epochs=2)
    assert [result.epoch for result in training.epochs()] == [1, 2]
