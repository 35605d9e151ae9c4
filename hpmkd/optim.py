"""The optimiser of a recipe, and its learning rate."""

from __future__ import annotations

import math

import torch
from torch import nn

from hpmkd.specs import FitSpec


def learning_rate(fit: FitSpec, epoch: int) -> float:
    """The rate in epoch 0, 1, ...; a function of the epoch alone, so a resumed run needs no scheduler state."""
    if fit.schedule == "cosine":
        return 0.5 * fit.lr * (1 + math.cos(math.pi * epoch / fit.epochs))
    if fit.schedule == "step":
        passed = sum(epoch >= round(part * fit.epochs) for part in fit.milestones)
        return float(fit.lr * fit.gamma**passed)
    return fit.lr


def make_optimizer(fit: FitSpec, *modules: nn.Module) -> torch.optim.Optimizer:
    """Adam, or SGD with Nesterov momentum, over all parameters of the modules that are to be trained."""
    parameters = [one for module in modules for one in module.parameters() if one.requires_grad]
    if fit.optimizer == "sgd":
        return torch.optim.SGD(
            parameters, fit.lr, fit.momentum, weight_decay=fit.weight_decay, nesterov=fit.momentum > 0, foreach=True
        )
    return torch.optim.Adam(parameters, fit.lr, weight_decay=fit.weight_decay, foreach=True)
