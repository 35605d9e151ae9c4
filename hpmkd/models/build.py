"""From a `ModelSpec` to a network."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from hpmkd.config.specs import ModelSpec
from hpmkd.models.lenet import LeNet5
from hpmkd.models.resnet import CifarResNet

MODELS: dict[str, Callable[[ModelSpec], nn.Module]] = {"lenet5": LeNet5, "resnet": CifarResNet}


def build(spec: ModelSpec, seed: int) -> nn.Module:
    """A network in channels_last with initial weights that depend on (spec, seed) alone.

    The global generators are left as they were: a worker trains many models and must not leak state.
    """
    family = "lenet5" if spec.arch == "lenet5" else "resnet"
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = MODELS[family](spec)
    return model.to(memory_format=torch.channels_last)
