"""What compiled kernels are not for."""

from __future__ import annotations

from hpmkd.config.fields import Rejected
from hpmkd.config.kernels import COMPILED


def need_fitting(kernels: str, precision: str, device: str) -> None:
    """Rejected where compiled kernels are asked for beside another precision than fp32, or a GPU.

    Args:
        kernels, precision, device: `fit.kernels`, `fit.precision` and `resources.device`.
    """
    wanted = {
        "fit.precision": (precision.replace("auto", "fp32"), "fp32"),
        "resources.device": (device.replace("auto", "cpu"), "cpu"),
    }
    for key, (found, expected) in wanted.items():
        if kernels == COMPILED and found != expected:
            raise Rejected(
                f"torch beside {key}: {found}, because compiled kernels compute in fp32 on a CPU",
                found=kernels, todo=f"take fit.kernels: torch, or {key}: {expected}", key="fit.kernels",
            )  # fmt: skip
