"""A program that stands in for NVIDIA's MPS daemon, and what it has recorded."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from hpmkd.cluster import mps, mps_control
from hpmkd.cluster.mps_control import CONTROL, LOGS, PIPE, VISIBLE
from hpmkd.cluster.ray_processes import MARK, RayProcesses
from hpmkd.store.output_dir import OutputDir

# As NVIDIA's: -d forks a daemon into the background; without it the lines of the input are commands for the daemon of
# the pipe folder. STAND_IN says how to misbehave, RECORD is where calls and the daemon's environment are written.
PROGRAM = """#!{python}
import json, os, pathlib, sys, time
pipe, record = pathlib.Path(os.environ["CUDA_MPS_PIPE_DIRECTORY"]), pathlib.Path(os.environ["RECORD"])
log = pathlib.Path(os.environ["CUDA_MPS_LOG_DIRECTORY"], "control.log")
pid_file, behaviour = pipe / "nvidia-cuda-mps-control.pid", os.environ.get("STAND_IN", "")
def note(text):
    with (record / "calls").open("a") as file:
        file.write(text + "\\n")
def daemon():
    pid_file.write_text(str(os.getpid()))
    (record / "daemon.json").write_text(json.dumps(dict(os.environ)))
    while True:
        if (pipe / "client").exists() and not (pipe / "servers").exists() and behaviour != "no server":
            server = os.fork()
            if server == 0:
                time.sleep(600)
            (pipe / "servers").write_text(str(server))
        if (pipe / "quit").exists() and "deaf" not in behaviour:
            if (pipe / "servers").exists():
                os.kill(int((pipe / "servers").read_text()), 9)
            pid_file.unlink()
            os._exit(0)
        time.sleep(0.01)
if sys.argv[1:] == ["-d"]:
    note("-d")
    if behaviour == "refuse":
        log.write_text("[stamp Control 1] first\\n[stamp Control 1] not permitted here\\n")
        sys.exit(1)
    if behaviour == "slow":
        time.sleep(600)
    if os.fork() == 0:
        os.setsid()
        daemon()
    while not pid_file.exists():
        time.sleep(0.01)
    os._exit(0)
for line in sys.stdin:
    command = line.strip()
    note(command)
    if command == "get_server_list" and (pipe / "servers").exists():
        print((pipe / "servers").read_text())
    if command == "quit":
        (pipe / "quit").touch()
        while "deaf" not in behaviour and pid_file.exists():
            time.sleep(0.01)
"""
CLIENT = """
import os, pathlib, sys, time
if sys.argv[1] == "devices":
    print("GPU-aaaa\\nGPU-bbbb")
    sys.exit()
if "client" in os.environ.get("STAND_IN", ""):
    print("cuInit: CUDA_ERROR_MPS_CONNECTION_FAILED")
    sys.exit(1)
pipe = pathlib.Path(os.environ["CUDA_MPS_PIPE_DIRECTORY"])
pathlib.Path(os.environ["RECORD"], "client").write_text(os.environ.get("CUDA_VISIBLE_DEVICES", ""))
(pipe / "client").touch()
while os.environ.get("STAND_IN") != "no server" and not (pipe / "servers").exists():
    time.sleep(0.01)
"""


def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A machine with two NVIDIA GPUs and the control program; what is called is recorded in the folder."""
    record = tmp_path / "record"
    for folder in ("bin", "record", "dev"):
        (tmp_path / folder).mkdir()
    for name in ("nvidia0", "nvidia1", "nvidiactl", "nvidia-uvm"):
        (tmp_path / "dev" / name).touch()
    program = tmp_path / "bin" / CONTROL
    program.write_text(PROGRAM.replace("{python}", sys.executable))
    program.chmod(0o755)
    (tmp_path / "client.py").write_text(CLIENT)
    monkeypatch.setattr(mps, "GPU_FILES", str(tmp_path / "dev" / "nvidia[0-9]*"))
    monkeypatch.setattr(mps, "DEFAULT_PIPE", tmp_path / "default")
    monkeypatch.setattr(mps_control, "CLIENT", tmp_path / "client.py")
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    monkeypatch.setenv("RECORD", str(record))
    for name in (PIPE, LOGS, VISIBLE, "STAND_IN"):
        monkeypatch.delenv(name, raising=False)
    yield record
    if (record / "daemon.json").exists():  # whatever a test has left running
        mark = json.loads((record / "daemon.json").read_text()).get(MARK, "none")
        RayProcesses(tmp_path / "ray.json", mark).end()


def calls(record: Path) -> list[str]:
    return (record / "calls").read_text().split("\n")[:-1] if (record / "calls").exists() else []


def folders(output: OutputDir) -> list[Path]:
    return list(Path(tempfile.gettempdir()).glob(f"{output.scratch_prefix}mps-*"))


def daemons(record: Path) -> list[psutil.Process]:
    """The stand-in's daemon and server that live, by the mark in their environment."""
    if not (record / "daemon.json").exists():
        return []
    mark = json.loads((record / "daemon.json").read_text())[MARK]
    return RayProcesses(record / "none.json", mark).named("nvidia-cuda-mps")
