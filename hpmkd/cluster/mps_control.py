"""NVIDIA's control program of MPS, and a CUDA client that tries its daemon: each call ends in bounded time."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from hpmkd.plan.gpu_share import GpuKind
from hpmkd.store.scratch import SHORT_TEMP

CONTROL = "nvidia-cuda-mps-control"
PIPE, LOGS, VISIBLE = "CUDA_MPS_PIPE_DIRECTORY", "CUDA_MPS_LOG_DIRECTORY", "CUDA_VISIBLE_DEVICES"
CLIENT = Path(__file__).with_name("cuda_client.py")
CONTROL_SECONDS, CLIENT_SECONDS = 10.0, 30.0  # a server's start takes seconds per GPU
_SOCKET, _SOCKET_BYTES = "control_privileged", 107  # the longest name of a socket in the folder; Linux's limit


class MpsRefused(Exception):
    """There is no MPS here, and why."""


def control(env: Mapping[str, str], *options: str, said: str = "", seconds: float | None = None) -> str:
    """Runs the control program, with `said` as its input; what it printed.

    Raises:
        MpsRefused: it failed, or took longer than `seconds` (default: `CONTROL_SECONDS`).
    """
    seconds = CONTROL_SECONDS if seconds is None else seconds
    code, text = _run([CONTROL, *options], env, seconds, said)
    if code != 0:
        command = " ".join([CONTROL, *options, *said.split()])
        raise MpsRefused(f"{command}: {_first(text) or _last(Path(env[LOGS])) or _ended(code, seconds)}")
    return text


def try_client(work: str, env: Mapping[str, str]) -> str:
    """Runs `cuda_client.py` with this work; what it printed.

    Raises:
        MpsRefused: it failed, with CUDA's name of the error, or hung.
    """
    code, text = _run([sys.executable, "-I", str(CLIENT), work], env, CLIENT_SECONDS)
    if code != 0:
        raise MpsRefused(f"a CUDA client fails: {_first(text) or _ended(code, CLIENT_SECONDS)}")
    return text


def gpu_generations() -> list[int]:
    """Of each visible GPU the major number of its compute capability; none where CUDA has none, or fails."""
    try:
        return [int(line) for line in try_client("generations", os.environ).split()]
    except MpsRefused:
        return []


def visible_kinds(env: Mapping[str, str]) -> list[GpuKind]:
    """Of each GPU that a process with this environment sees, in CUDA's order; none where CUDA has none, or fails."""
    try:
        rows = [line.partition(" ") for line in try_client("kinds", env).splitlines()]
        return [GpuKind(name.strip(), int(total)) for total, _, name in rows]
    except (MpsRefused, ValueError):
        return []


def private_folder(prefix: str) -> Path:
    """A new folder that only this user enters, where sockets fit: their paths are limited.

    Raises:
        MpsRefused: there is no place for one.
    """
    for base in (Path(tempfile.gettempdir()), SHORT_TEMP):
        if len(os.fsencode(base / f"{prefix}xxxxxxxx" / "pipe" / _SOCKET)) <= _SOCKET_BYTES:
            with contextlib.suppress(OSError):
                return Path(tempfile.mkdtemp(prefix=prefix, dir=base))
    raise MpsRefused(f"no folder with a path short enough for sockets in {tempfile.gettempdir()} or {SHORT_TEMP}")


def visible_uuids() -> dict[str, str]:
    """CUDA_VISIBLE_DEVICES with names that daemon and clients understand alike, where it has others.

    Raises:
        MpsRefused: CUDA does not tell them.
    """
    names = [name.strip() for name in os.environ.get(VISIBLE, "").split(",") if name.strip()]
    if names == [str(number) for number in range(len(names))] or all(name[:4] in ("GPU-", "MIG-") for name in names):
        return {}
    return {VISIBLE: ",".join(try_client("devices", os.environ).split())}


def _run(command: Sequence[str], env: Mapping[str, str], seconds: float, said: str = "") -> tuple[int | None, str]:
    """Runs a program with `said` as its input; its exit code (None: it took too long) and what it printed.

    Its output is a file: a daemon may keep a pipe open for ever. In a session of its own it gets no Ctrl-C of ours.
    """
    with tempfile.TemporaryFile() as output:
        try:
            process = subprocess.Popen(
                command, env=env, stdin=subprocess.PIPE, stdout=output, stderr=output, start_new_session=True
            )
        except OSError as error:
            return 127, str(error)
        try:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.communicate(said.encode(), timeout=seconds)
            code = process.poll()
        finally:
            process.kill()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(5)  # one that waits for a GPU may not die
        output.seek(0)
        return code, output.read().decode(errors="replace")


def _first(text: str) -> str:
    return next((line.strip() for line in text.splitlines() if line.strip()), "")


def _last(logs: Path) -> str:
    """The last line of the daemon's own log."""
    with contextlib.suppress(OSError):
        return _first("\n".join(reversed((logs / "control.log").read_text(errors="replace").splitlines())))
    return ""


def _ended(code: int | None, seconds: float) -> str:
    return f"no answer within {seconds:g} seconds" if code is None else f"exit code {code}"
