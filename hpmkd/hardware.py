"""The hardware of the machine, and environment variables of processes that train on it."""

from __future__ import annotations

import functools
import os
import platform
from pathlib import Path

ALLOCATOR = {
    # Freed tensors stay in the process instead of going back to the system at every step: 1.1 to 1.35 times faster.
    "MALLOC_MMAP_THRESHOLD_": "33554432",
    "MALLOC_TRIM_THRESHOLD_": "4294967296",
    # Each trial is a thread of its own; with an arena for each of them a worker would keep what several trials freed.
    "MALLOC_ARENA_MAX": "2",
}

# cuBLAS is deterministic only with workspaces of a fixed size, which it reads from the environment when it starts.
DETERMINISTIC_CUBLAS = ("CUBLAS_WORKSPACE_CONFIG", ":4096:8")


def cores() -> int:
    """CPU cores that this process may use (a container's or a batch job's limit counts)."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    import psutil

    return psutil.cpu_count() or 1


def address_space_gib() -> float | None:
    """The limit on the address space of a process (`ulimit -v`) in GiB; None where there is none."""
    try:
        import resource
    except ImportError:
        return None  # Windows has no such thing
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    return None if limit == resource.RLIM_INFINITY else limit / 2**30


def computes_bf16(info: Path = Path("/proc/cpuinfo")) -> bool:
    """Whether the CPU has instructions for bf16, which torch's convolutions and products use; without them it is slower
    than fp32. Known of Linux alone."""
    try:
        lines = [line.partition(":") for line in info.read_text(errors="replace").splitlines()]
    except OSError:
        return False
    found = {flag for name, _, value in lines if name.strip() in ("flags", "Features") for flag in value.split()}
    return bool(found & {"avx512_bf16", "amx_bf16", "bf16"})


@functools.cache
def machine() -> str:
    """CPU, usable cores and memory, such as `AMD EPYC 7B13, 2 cores, 23.5 GiB`."""
    import psutil

    count = cores()
    memory = psutil.virtual_memory().total / 2**30
    return f"{_cpu()}, {count} core{'s' * (count != 1)}, {memory:.1f} GiB"


def _cpu(info: Path = Path("/proc/cpuinfo")) -> str:
    """The model's name where the system tells it, else the kind of processor."""
    try:
        for line in info.read_text(errors="replace").splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name" and value.strip():
                return value.strip()
    except OSError:
        pass
    return platform.processor() or platform.machine() or "CPU"
