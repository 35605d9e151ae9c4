"""The optimiser on a GPU that is not there; on the CPU it is tested by what it trains."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from support.builders import make_fit
from support.fake_gpu import GPU, fake_gpu
from torch import Tensor, nn

from hpmkd.training import device
from hpmkd.training.optim import _start_momentum, load_optimizer, make_optimizer, set_learning_rate


def group(monkeypatch: pytest.MonkeyPatch, half: torch.dtype = torch.bfloat16, **fit: Any) -> dict[str, Any]:
    """How the optimiser of a recipe computes on a GPU whose half precision is `half`."""
    monkeypatch.setattr(device, "half", lambda where: half)
    module = nn.Linear(2, 3)
    with fake_gpu():
        optimizer = make_optimizer(make_fit(**fit), GPU, module.to(GPU))
    return dict(optimizer.param_groups[0])


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_one_fused_kernel_reads_the_rate_from_memory(
    optimizer: str, precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = group(monkeypatch, optimizer=optimizer, precision=precision)
    assert (found["fused"], found["foreach"]) == (True, False)
    assert isinstance(found["lr"], Tensor)
    assert found["lr"].device == GPU


def test_sgd_with_scaled_gradients_is_not_fused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its momentum would be uninitialised memory after a first step that overflows."""
    found = group(monkeypatch, torch.float16, optimizer="sgd", precision="bf16")
    assert (found["fused"], found["foreach"], found["lr"]) == (False, True, make_fit().lr)
    # Adam starts from zeros, which a step that is left out leaves as they are.
    assert group(monkeypatch, torch.float16, optimizer="adam", precision="bf16")["fused"] is True


def two_stages(optimizer: torch.optim.Optimizer, lower: nn.Module, upper: nn.Module) -> None:
    """As FitNets trains: at first the lower layers alone have gradients."""
    x = torch.ones(4, 3)
    for stage in (lower, nn.Sequential(lower, upper), nn.Sequential(lower, upper)):
        optimizer.zero_grad(set_to_none=True)
        stage(x).square().sum().backward()
        optimizer.step()


@pytest.mark.parametrize("resumed", [False, True])
def test_fused_sgd_bears_layers_without_gradients(resumed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Torch makes the momentum of all parameters or of none. The CPU's fused SGD stands for the GPU's; a checkpoint of
    a CPU has no momentum of layers that had no gradient."""
    fit, made = make_fit(optimizer="sgd", lr=0.01, weight_decay=1e-3), []
    for fused in (False, True):
        torch.manual_seed(0)
        layers = nn.Linear(3, 4), nn.Linear(4, 2)
        optimizer = make_optimizer(fit, torch.device("cpu"), *layers)
        state = optimizer.state_dict()
        for group in optimizer.param_groups if fused else ():
            group["fused"], group["foreach"] = True, False
        if fused and resumed:
            load_optimizer(optimizer, state)
        elif fused:
            _start_momentum(optimizer)
        try:
            two_stages(optimizer, *layers)
        except NotImplementedError:
            pytest.skip(f"torch {torch.__version__} has fused SGD for GPUs alone")
        made.append([value.detach() for layer in layers for value in layer.parameters()])
    for one, other in zip(*made, strict=True):
        assert torch.allclose(one, other, rtol=1e-6, atol=0)


def test_a_learning_rate_in_memory_is_set_in_place() -> None:
    weight = nn.Parameter(torch.ones(2))
    where = torch.tensor(0.5)
    optimizer = torch.optim.SGD([weight], where, foreach=False)
    set_learning_rate(optimizer, 0.25)
    assert optimizer.param_groups[0]["lr"] is where
    assert float(where) == 0.25
    plain = torch.optim.SGD([weight], 0.5)
    set_learning_rate(plain, 0.25)
    assert plain.param_groups[0]["lr"] == 0.25
