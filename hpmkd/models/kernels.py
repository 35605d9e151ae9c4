"""Where a recipe and a network meet: which kernels it computes with."""

from __future__ import annotations

from torch import nn

from hpmkd.config.kernels import COMPILED
from hpmkd.models.compiled.processor import need_kernels
from hpmkd.models.lenet import LeNet5


def use_kernels(network: nn.Module, kernels: str) -> None:
    """Has each LeNet5 in a module compute with the kernels of a recipe (`fit.kernels`); others know torch's alone.

    Raises:
        EnvironmentProblem: compiled ones are asked for, and numba or what they need of the processor is not there.
    """
    for module in network.modules():
        if isinstance(module, LeNet5):
            if kernels == COMPILED:
                need_kernels()
            module.compiled = kernels == COMPILED
