"""A private MPS daemon for the trials that share a GPU: without one their kernels take turns.

What is relied on, from NVIDIA's pages on MPS (docs.nvidia.com/deploy/mps) and the manual of nvidia-cuda-mps-control:

- `nvidia-cuda-mps-control -d` starts a daemon that belongs to its pipe folder; a user may run several, each with
  folders of its own. The daemon starts one server for the user when the first client comes, with its own environment.
- A client finds the daemon by CUDA_MPS_PIPE_DIRECTORY (else /tmp/nvidia-mps). Where nobody answers there, CUDA goes on
  without MPS and says nothing: so a client that works proves MPS only together with a server that runs.
- `quit` waits for the clients: it is said when Ray's processes have ended, and waited for in bounded time.
- A daemon with CUDA_VISIBLE_DEVICES renumbers the GPUs for its clients; UUIDs mean the same on both sides.
- Before Volta clients write into each other's memory, so MPS stays off there (see `cuda_client.py`).
- A fault on the GPU ends all clients there (see `sweep/failures.py`). The share of the threads stays at its default,
  100 %: trials are to fill what others leave.
"""

from __future__ import annotations

import contextlib
import glob
import os
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

from hpmkd.cluster import mps_control
from hpmkd.cluster.mps_control import CONTROL, LOGS, PIPE, VISIBLE, MpsRefused
from hpmkd.cluster.ray_processes import MPS_NAME, RayProcesses, lives
from hpmkd.config.sweep import SweepConfig
from hpmkd.errors import EnvironmentProblem
from hpmkd.log import progress
from hpmkd.store.output_dir import OutputDir

GPU_FILES = "/dev/nvidia[0-9]*"
DEFAULT_PIPE = Path("/tmp/nvidia-mps")
QUIT_SECONDS = 5.0


class MpsDaemon:
    """The daemon of one private Ray, where there is one; all its processes carry Ray's mark."""

    def __init__(self, config: SweepConfig, output: OutputDir, ours: RayProcesses) -> None:
        self.mode = config.resources.mps
        self._config, self._prefix, self._ours = config, f"{output.scratch_prefix}mps-", ours
        self._asked = self.mode is True or (self.mode == "auto" and pays(config) and bool(gpus()))
        self._env: dict[str, str] = {}
        self._folder: Path | None = None

    @contextlib.contextmanager
    def serving(self) -> Iterator[None]:
        """Ray is started inside, and its processes find the daemon, which is started first.

        The variables are gone from this process afterwards: it must not become a client, which would hold up the
        daemon's end, nor lead there what the user starts later.

        Raises:
            EnvironmentProblem: `resources.mps: true`, and it cannot be started.
        """
        added = self._prepare() if self._asked else {}
        before = {name: os.environ.get(name) for name in added}
        os.environ.update(added)
        try:
            yield
        finally:
            for name, value in before.items():
                os.environ.pop(name, None)
                os.environ.update({name: value} if value is not None else {})

    def quit(self) -> None:
        """Ends the daemon as it wants to be ended, when Ray's processes are gone; what stays is for their mark."""
        if self._folder is None:
            return
        deadline = time.monotonic() + QUIT_SECONDS
        with contextlib.suppress(MpsRefused):
            mps_control.control(self._env, said="quit\n", seconds=QUIT_SECONDS)
        while self._ours.named(MPS_NAME) and time.monotonic() < deadline:
            time.sleep(0.05)

    def force_stop(self) -> None:
        """Kills Ray and the daemon, whose folders go too."""
        self._ours.end()
        self.remove()

    def remove(self) -> None:
        """Removes the daemon's folders; of a killed sweep the next start does (they are scratch of the output)."""
        folder, self._folder, self._env = self._folder, None, {}
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)

    def _prepare(self) -> dict[str, str]:
        """Starts it; returns the variables by which clients find it."""
        other = _somebody_elses()
        if other:
            progress.info(f"MPS: trials use the daemon that is there already ({other}), which stays as it is")
            return {}
        try:
            added = self._start()
        except MpsRefused as why:
            self.quit()
            self._ours.kill(name=MPS_NAME)
            self.remove()
            if self.mode is True:
                raise _problem(str(why)) from why
            self._asked = False  # said once
            progress.info(f"MPS is off, so trials that share a GPU take turns: {why}")
            return {}
        progress.info("MPS is on: trials that share a GPU work at the same time")
        return added

    def _start(self) -> dict[str, str]:
        self._check()
        seen = mps_control.visible_uuids()
        self._folder = mps_control.private_folder(self._prefix)
        pipe, logs = self._folder / "pipe", self._folder / "log"
        pipe.mkdir()
        logs.mkdir()
        added = {**seen, PIPE: str(pipe), LOGS: str(logs)}
        # The language of the control program; 2, the one used here, is its default.
        self._env = {**os.environ, **added, "CUDA_MPS_PROTOCOL_VERSION": "2"}
        mps_control.control(self._env, "-d")
        mps_control.try_client("context", self._env)
        servers = mps_control.control(self._env, said="get_server_list\n")
        if not any(line.strip().isdigit() for line in servers.splitlines()):
            raise MpsRefused("a CUDA client ran, but without the daemon's server")
        return added

    def _check(self) -> None:
        """What can be known before anything is started."""
        if self._config.resources.device == "cpu" or self._config.resources.gpus_per_trial == 0:
            raise MpsRefused("trials are to use no GPU (resources.device, resources.gpus_per_trial)")
        if not gpus():
            raise MpsRefused(f"no NVIDIA GPU is visible to this process ({GPU_FILES}, {VISIBLE}; Linux alone has MPS)")
        if shutil.which(CONTROL) is None:
            raise MpsRefused(f"{CONTROL} is not on PATH")


def pays(config: SweepConfig) -> bool:
    """Whether several trials may run on one GPU at the same time."""
    wanted = config.resources
    shared = wanted.gpus_per_trial in ("auto", None) or 0 < float(wanted.gpus_per_trial or 0) <= 0.5
    return wanted.device != "cpu" and shared and wanted.max_concurrent != 1


def gpus() -> list[str]:
    """Device files of NVIDIA GPUs; none where CUDA_VISIBLE_DEVICES hides them all."""
    hidden = os.environ.get(VISIBLE, "0").split(",")[0].strip() in ("", "-1", "NoDevFiles")
    return [] if hidden or not sys.platform.startswith("linux") else sorted(glob.glob(GPU_FILES))


def refuse_mps(config: SweepConfig, why: str) -> None:
    """For a Ray that the sweep does not start: no daemon can be started before it.

    Raises:
        EnvironmentProblem: `resources.mps: true`.
    """
    if config.resources.mps is True:
        raise _problem(why)


def _problem(found: str) -> EnvironmentProblem:
    return EnvironmentProblem(
        "resources.mps: the MPS daemon that is asked for cannot be started",
        expected=f"an NVIDIA GPU under Linux, {CONTROL}, and a Ray that the sweep starts itself",
        found=found,
        todo="resources.mps: auto goes on without where it must; or start a daemon of your own and set "
        f"{PIPE} (a Ray cluster: on each node, before its Ray)",
    )


def _somebody_elses() -> str:
    """Where a daemon is that was there before: the one that the user names, or a running one at the default place."""
    if os.environ.get(PIPE):
        return f"{PIPE}={os.environ[PIPE]}"
    with contextlib.suppress(OSError, ValueError, psutil.Error):
        process = psutil.Process(int((DEFAULT_PIPE / f"{CONTROL}.pid").read_text()))
        # Another user's would let a client of ours wait for the end of all of his.
        if lives(process) and process.name().startswith(MPS_NAME) and process.uids().real in (0, os.getuid()):
            return str(DEFAULT_PIPE)
    return ""
