"""Peak memory of a network's first call.

On a GPU torch counts it. On a CPU it is the peak of a process's resident memory above what it holds with the network
and its input loaded: activations, and what the libraries take to work in. Each measurement has a process of its own,
because what was once taken is kept and given out again; it is forked from one that has loaded the network and never
called it.
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import torch
from torch import nn

from hpmkd.bench.runtimes import Program, noise

_STATUS = Path("/proc/self/status")


def peak(program: Program, batch: int, device: str) -> int | None:
    """In bytes; None where the system, or the runtime on a GPU, does not tell."""
    if device != "cpu":
        return _on_gpu(program, batch) if program.version.startswith("torch") else None
    if not sys.platform.startswith("linux") or resident("VmHWM") is None:
        return None
    receiving, sending = os.pipe()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.write(sending, str(_of_this_process(program, batch)).encode())
            code = 0
        finally:
            os._exit(code)
    os.close(sending)
    with os.fdopen(receiving) as answer:
        text = answer.read()
    os.waitpid(child, 0)
    return int(text) if text else None


def _of_this_process(program: Program, batch: int) -> int:
    images = program.images(batch)
    _use_the_libraries()
    _forget_peak()
    before = resident("VmRSS") or 0
    program.call(images)
    return max(0, (resident("VmHWM") or 0) - before)


def _use_the_libraries() -> None:
    """What torch takes at its first convolution and product, whatever they are of, is no memory of this network."""
    layers = (nn.Conv2d(3, 8, 5), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(8, 8, 3), nn.Flatten())
    with torch.inference_mode():
        nn.Sequential(*layers, nn.Linear(8 * 16, 10)).eval()(noise((3, 16, 16), 1))


def _forget_peak() -> None:
    """From now on `VmHWM` is the peak since now; where that is not allowed, the peak of the loading stays in it."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return


def resident(name: str) -> int | None:
    """`VmRSS` or `VmHWM` of this process, in bytes."""
    try:
        found = re.search(rf"^{name}:\s+(\d+) kB", _STATUS.read_text(), re.MULTILINE)
    except OSError:
        return None
    return 1024 * int(found[1]) if found else None


def _on_gpu(program: Program, batch: int) -> int:
    images = program.images(batch)
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    program.call(images)
    return torch.cuda.max_memory_allocated() - before
