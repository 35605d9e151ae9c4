"""`fit.kernels`: LeNet5's convolutional part by torch, or by kernels that are compiled on the user's machine."""

from __future__ import annotations

import importlib.util

from hpmkd.config.architectures import LENET5_NAMES
from hpmkd.errors import EnvironmentProblem

COMPILED, TORCH = "compiled", "torch"


def kernels_of(kernels: str, arch: str) -> str:
    """Those of a network's recipe: there are compiled ones of LeNet5 alone."""
    return kernels if arch in LENET5_NAMES else TORCH


def need_numba() -> None:
    """EnvironmentProblem where it is not installed."""
    if importlib.util.find_spec("numba") is None:
        raise EnvironmentProblem(
            "fit.kernels: the package numba is not installed",
            expected="the optional extra compiled, with which kernels are compiled",
            found="none",
            todo="pip install -e '.[compiled]'; a sweep that is to be started can take --fit.kernels torch",
        )
