"""On a real GPU: recorded steps train like steps one by one, a cap holds, a share is measured. Skipped without one."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from support.builders import STUDENT, TEACHER, make_fit, make_splits
from support.losses import HPARAMS
from support.trainings import flat

from hpmkd.methods.build import build_distiller
from hpmkd.models import build
from hpmkd.training.cuda_graph import GraphedStep
from hpmkd.training.device import prepare_device
from hpmkd.training.recipe import Recipe
from hpmkd.training.train import Training

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
GPU = torch.device("cuda")


def make(method: str, graph: bool, **fit: Any) -> Training:
    distiller = build_distiller(method, HPARAMS, STUDENT, (TEACHER,), 3)
    teachers = [] if method == "Direct" else [build(TEACHER, 1)]
    recipe = Recipe(make_fit(**fit), "crop_flip", 5, GPU, graph)
    return Training(build(STUDENT, 2), distiller, teachers, make_splits(), recipe)


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("method", ["Direct", "TraditionalKD", "FitNets", "AT"])
def test_recorded_steps_train_like_steps(method: str, precision: str, optimizer: str) -> None:
    one, other = (make(method, graph, epochs=8, precision=precision, optimizer=optimizer) for graph in (False, True))
    assert isinstance(other.step, GraphedStep)
    tolerance = 1e-3 if precision == "fp32" else 5e-2
    for plain, recorded in zip(one.epochs(), other.epochs(), strict=True):
        assert recorded.train_loss == pytest.approx(plain.train_loss, rel=tolerance)
    assert other.step.description == "recorded as a CUDA graph"


def test_a_resumed_training_goes_on(tmp_path: Any) -> None:
    whole, first, second = (make("TraditionalKD", True, epochs=8) for _ in range(3))
    list(whole.epochs())
    results = first.epochs()
    for _ in range(5):
        next(results)
    torch.save(first.state_dict(), tmp_path / "state.pt")
    second.load_state_dict(torch.load(tmp_path / "state.pt", map_location=GPU, weights_only=True))
    list(second.epochs())
    for name, value in flat(whole.model.state_dict()).items():
        assert torch.allclose(value, flat(second.model.state_dict())[name], rtol=1e-2, atol=1e-3), name


def test_a_cap_holds() -> None:
    total = torch.cuda.get_device_properties(GPU).total_memory
    prepare_device(GPU, 0.1)
    try:
        with pytest.raises(torch.cuda.OutOfMemoryError):
            torch.empty(total // 5, dtype=torch.uint8, device=GPU)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0, GPU)
