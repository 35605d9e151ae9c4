"""Trainings with a user's method: continued to the bit, with its helper modules, buffers and random numbers."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from support.builders import STUDENT, TEACHER, make_fit, make_splits
from support.losses import HPARAMS
from support.own_methods import known, write
from support.trainings import CPU, same, saved

from hpmkd.config.own_method import OwnMethod
from hpmkd.methods.build import build_distiller
from hpmkd.models import build
from hpmkd.training.recipe import Recipe
from hpmkd.training.train import Training


@pytest.fixture
def method(tmp_path: Path) -> OwnMethod:
    write(tmp_path / "mine")
    return known(tmp_path / "mine", tmp_path / "copy")


def make(method: OwnMethod, noisy: bool = True) -> Training:
    hparams = {**HPARAMS, "mine.beta": 2.0, "mine.noisy": noisy}
    distiller = build_distiller("Mine", hparams, STUDENT, (TEACHER,), 3, own=method)
    recipe = Recipe(make_fit(epochs=4), "crop_flip", 5, CPU)
    return Training(build(STUDENT, 2), distiller, [build(TEACHER, 1)], make_splits(), recipe)


def test_a_training_continues_to_the_bit(method: OwnMethod) -> None:
    whole, part = make(method), make(method)
    for _ in whole.epochs():
        pass
    for result in part.epochs():
        torch.rand(7)  # whatever else in the process draws
        if result.epoch == 2:
            break
    rest = make(method)
    rest.load_state_dict(saved(part))
    torch.manual_seed(99)
    for _ in rest.epochs():
        pass
    same(whole, rest)
    assert float(whole.distiller.state_dict()["mean"]) > 0


def test_its_settings_reach_it(method: OwnMethod) -> None:
    losses = [[result.train_loss for result in make(method, noisy).epochs()] for noisy in (True, False)]
    assert losses[0] != losses[1]
    assert make(method).distiller.settings.beta == 2.0


def test_its_steps_are_recorded_only_where_it_says_so(method: OwnMethod, tmp_path: Path) -> None:
    assert not make(method).distiller.recordable
    file = tmp_path / "copy/mine.py"
    file.write_text(
        file.read_text().replace("    Settings = Settings\n", "    Settings = Settings\n    recordable = True\n")
    )
    assert make(method).distiller.recordable
