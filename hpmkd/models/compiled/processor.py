"""How the kernels use a processor's vectors. None of it changes a number that they compute."""

from __future__ import annotations

import functools
import os
import platform
from dataclasses import dataclass

from hpmkd.config.kernels import need_numba
from hpmkd.errors import EnvironmentProblem


@dataclass(frozen=True)
class VectorSetting:
    """What fits into the registers.

    Args:
        lanes: fp32 numbers in a vector.
        group: output channels that the forward pass computes together, each with four vectors.
        accumulators: vectors that the backward pass sums in.
    """

    lanes: int
    group: int
    accumulators: int

    def sums_of(self, rows: int, numbers: int, stride: int) -> tuple[int, int, int, int, int]:
        """The constants of a `gather` of so many rows of so many numbers."""
        return rows, -(-numbers // self.lanes), stride, self.lanes, self.accumulators


MANY_REGISTERS = VectorSetting(8, 5, 26)  # 32 of 256 bits: with 512 they are no faster where halves take turns
AVX2 = VectorSetting(8, 2, 12)  # 16 of 256 bits
NEON = VectorSetting(4, 5, 26)  # 32 of 128 bits


def setting_of(features: frozenset[str], machine: str) -> VectorSetting | None:
    """For a processor; None where it has no fused multiply-add of vectors, without which the kernels crawl.

    Args:
        features: of LLVM, such as `avx2`.
        machine: as `platform.machine` names it.
    """
    if machine.lower() in ("aarch64", "arm64"):
        return NEON if "neon" in features else None
    if {"avx512f", "avx512vl"} <= features:
        return MANY_REGISTERS
    return AVX2 if {"avx2", "fma"} <= features else None


def need_kernels() -> VectorSetting:
    """The setting for this processor.

    Raises:
        EnvironmentProblem: numba is not installed, or the processor is not one that the kernels are for.
    """
    need_numba()
    features, machine = host_features(), platform.machine()
    found = setting_of(features, machine)
    if found is None:
        raise EnvironmentProblem(
            "fit.kernels: this processor has no fused multiply-add of vectors that the compiled kernels use",
            expected="AVX2 and FMA, AVX-512VL, or NEON",
            found=f"{machine} without them",
            todo="a sweep that is to be started can take --fit.kernels torch; go on with others on another machine",
        )
    return found


@functools.cache
def host_features() -> frozenset[str]:
    """Of this processor, as LLVM names them; where numba is told to use others (NUMBA_CPU_FEATURES), those."""
    try:
        from llvmlite import binding
    except (ImportError, OSError) as error:
        raise EnvironmentProblem(
            "fit.kernels: llvmlite, with which numba compiles, cannot be imported",
            expected="numba as the extra compiled installs it",
            found=f"{type(error).__name__}: {error}",
            todo="pip install --force-reinstall numba llvmlite",
        ) from error
    told = os.environ.get("NUMBA_CPU_FEATURES")
    text = binding.get_host_cpu_features().flatten() if told is None else told
    return frozenset(one[1:] for one in text.split(",") if one.startswith("+"))
