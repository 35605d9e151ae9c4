"""The optimiser of a recipe, and its learning rate."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from hpmkd.config.specs import FitSpec
from hpmkd.training.device import needs_scaling


def learning_rate(fit: FitSpec, epoch: int) -> float:
    """The rate in epoch 0, 1, ...; a function of the epoch alone, so a resumed run needs no scheduler state."""
    if fit.schedule == "cosine":
        return 0.5 * fit.lr * (1 + math.cos(math.pi * epoch / fit.epochs))
    if fit.schedule == "step":
        passed = sum(epoch >= round(part * fit.epochs) for part in fit.milestones)
        return float(fit.lr * fit.gamma**passed)
    return fit.lr


def make_optimizer(fit: FitSpec, device: torch.device, *modules: nn.Module) -> torch.optim.Optimizer:
    """Adam, or SGD with the recipe's momentum, over all parameters of the modules that are to be trained.

    On a GPU one fused kernel, which reads the learning rate from the GPU's memory: it can be part of a CUDA graph.
    """
    parameters = [one for module in modules for one in module.parameters() if one.requires_grad]
    on_gpu = device.type == "cuda"
    if fit.optimizer == "sgd":
        # Fused SGD makes momentum buffers without values for the first step to fill. Where scaled gradients overflow,
        # that step is left out, and the next one would take whatever lay there for the momentum.
        fused = on_gpu and not needs_scaling(fit.precision, device)
        optimizer: torch.optim.Optimizer = torch.optim.SGD(
            parameters,
            fit.lr,
            fit.momentum,
            weight_decay=fit.weight_decay,
            nesterov=fit.nesterov and fit.momentum > 0,
            foreach=not fused,
            fused=fused,
        )
    else:
        fused = on_gpu
        optimizer = torch.optim.Adam(
            parameters, fit.lr, weight_decay=fit.weight_decay, foreach=not on_gpu, fused=on_gpu, capturable=on_gpu
        )
        # It is meant: the steps before a recording are not recorded.
        optimizer._warned_capturable_if_run_uncaptured = True
    _start_momentum(optimizer)
    if fused:  # not before: an optimiser looks at what it is given, and would wait for the GPU
        for group in optimizer.param_groups:
            group["lr"] = torch.full((), fit.lr, device=device)
    return optimizer


def _start_momentum(optimizer: torch.optim.Optimizer) -> None:
    """Makes the momentum of fused SGD where there is none: zeros, from which the first step gives the same bits.

    Torch makes them for all parameters or for none, and fails where some had no gradient in the first steps, as the
    upper layers in the hint stage of FitNets.
    """
    for group in optimizer.param_groups:
        if not (isinstance(optimizer, torch.optim.SGD) and group["fused"] and group["momentum"]):
            continue
        for parameter in group["params"]:
            state = optimizer.state[parameter]
            if state.get("momentum_buffer") is None:
                state["momentum_buffer"] = torch.zeros_like(parameter, memory_format=torch.preserve_format)


def load_optimizer(optimizer: torch.optim.Optimizer, state: Mapping[str, Any]) -> None:
    """Takes over an optimiser's `state_dict`, but for how it computes: it may have been saved on another device."""
    how = ("lr", "foreach", "fused", "capturable")
    own = [{name: group[name] for name in how if name in group} for group in optimizer.param_groups]
    groups = [{**saved, **mine} for saved, mine in zip(state["param_groups"], own, strict=True)]
    optimizer.load_state_dict({**state, "param_groups": groups})
    _start_momentum(optimizer)


def set_learning_rate(optimizer: torch.optim.Optimizer, lr: float) -> None:
    """Sets it for all parameters; in place where it lies in a GPU's memory."""
    for group in optimizer.param_groups:
        if isinstance(group["lr"], Tensor):
            group["lr"].fill_(lr)
        else:
            group["lr"] = lr
