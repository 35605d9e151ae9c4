"""What machine this is, as one JSON line: GPU, driver, compute mode, libraries, cores; null where it is not known.

    python tests/benchmarks/gpu_machine.py --device cuda

And NVIDIA's MPS, where it is at hand: a daemon of one's own, with folders of its own, which lets processes compute on a
GPU at the same time instead of in turns.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import torch

from hpmkd.cluster.mps_control import CONTROL, LOGS, PIPE, MpsRefused, control, private_folder, try_client

PATIENCE = 20  # seconds for a command of the driver
_COMPUTE_MODES = {0: "Default", 1: "Exclusive_Thread", 2: "Prohibited", 3: "Exclusive_Process"}


def driver() -> dict[str, Any]:
    """Version of the driver and compute mode of the first GPU, from nvidia-smi or else from its library."""
    command = ["nvidia-smi", "--query-gpu=driver_version,compute_mode", "--format=csv,noheader", "--id=0"]
    with suppress(OSError, subprocess.SubprocessError, ValueError):
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=True)
        version, mode = (word.strip() for word in done.stdout.split(","))
        return {"driver": version, "compute_mode": mode}
    try:
        library = ctypes.CDLL("libnvidia-ml.so.1")
    except OSError:
        return {"driver": None, "compute_mode": None}
    library.nvmlInit_v2()
    text, handle, number = ctypes.create_string_buffer(80), ctypes.c_void_p(), ctypes.c_int(-1)
    version = text.value.decode() if library.nvmlSystemGetDriverVersion(text, 80) == 0 else None
    if library.nvmlDeviceGetHandleByIndex_v2(0, ctypes.byref(handle)) == 0:
        library.nvmlDeviceGetComputeMode(handle, ctypes.byref(number))
    library.nvmlShutdown()
    return {"driver": version, "compute_mode": _COMPUTE_MODES.get(number.value)}


def gpu(device: str) -> dict[str, Any]:
    """The GPU, as torch sees it."""
    names = ("gpu", "gpus", "memory_gib", "multiprocessors", "capability", "bf16", "cudnn")
    if device != "cuda":
        return dict.fromkeys(names)
    about = torch.cuda.get_device_properties(0)
    capability, bf16 = f"{about.major}.{about.minor}", about.major >= 8
    values = (about.name, torch.cuda.device_count(), round(about.total_memory / 2**30, 1))
    values += (about.multi_processor_count, capability, bf16, torch.backends.cudnn.version())
    return dict(zip(names, values, strict=True))


def facts(device: str) -> dict[str, Any]:
    """Everything that a figure measured here depends on."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    row = {"part": "machine", "device": device, **gpu(device)}
    row |= driver() if device == "cuda" else {"driver": None, "compute_mode": None}
    row |= {"cuda_runtime": torch.version.cuda, "torch": str(torch.__version__), "python": platform.python_version()}
    row |= {"mps_control": shutil.which(CONTROL), "mps_runs": mps_servers({}) is not None}
    return {**row, "cores": cores, "system": platform.platform()}


@contextmanager
def mps() -> Iterator[dict[str, str]]:
    """A daemon that ends with the block; what its clients must have in their environment.

    Raises:
        MpsRefused: there is none to be had here, and why.
    """
    if shutil.which(CONTROL) is None:
        raise MpsRefused(f"{CONTROL} is not on this machine")
    folder = private_folder("hpmkd-gpu-mps-")
    try:
        env = {PIPE: str(folder / "pipe"), LOGS: str(folder / "log")}
        for path in env.values():
            Path(path).mkdir()
        control({**os.environ, **env}, "-d")
        try:
            # Where no daemon answers CUDA goes on without: only a client and a server together prove it.
            try_client("context", {**os.environ, **env})
            if not mps_servers(env):
                raise MpsRefused("a CUDA client ran, but without the daemon's server")
            yield env
        finally:
            _quit(env)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def mps_servers(env: dict[str, str]) -> int | None:
    """How many servers a daemon has, by default the machine's: 0 until a client has come. None where there is none."""
    try:
        return len(control({**os.environ, LOGS: "", **env}, said="get_server_list\n").split())
    except MpsRefused:
        return None


def _quit(env: dict[str, str]) -> None:
    try:
        control({**os.environ, **env}, said="quit\n")
    except MpsRefused:
        with suppress(OSError, ValueError):
            os.kill(int((Path(env[PIPE]) / f"{CONTROL}.pid").read_text()), signal.SIGKILL)


def main(words: list[str]) -> int:
    """Prints the line."""
    parser = argparse.ArgumentParser(prog="gpu_machine.py", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--device", default="cuda", choices=["cuda", "cpu"])
    print(json.dumps(facts(parser.parse_args(words).device)), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
