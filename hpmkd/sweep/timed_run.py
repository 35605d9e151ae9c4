"""One timed training of a sweep: in an empty folder, without the shared memory, by a command of its own."""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from hpmkd.audit.findings import headers
from hpmkd.audit.sweep_dir import open_sweep
from hpmkd.bench.processes import environment
from hpmkd.bench.scaling import critical_path
from hpmkd.cluster.ray_processes import end_leftovers
from hpmkd.config.bench import BenchConfig
from hpmkd.config.load import to_yaml
from hpmkd.config.sweep import SweepConfig, memory_folder
from hpmkd.data.source.listing import count, named
from hpmkd.errors import EnvironmentProblem, HpmkdError, Locked
from hpmkd.files import commit_bytes
from hpmkd.plan.roles import Role
from hpmkd.store.lock import locked
from hpmkd.store.output_dir import OutputDir
from hpmkd.store.speedup_file import TimedRun

_GRACE = 40.0  # seconds, for a training to save its epochs when it is stopped
_PARENT_DIED = 1  # prctl: PR_SET_PDEATHSIG


def config_of(config: SweepConfig, folder: Path, workers: int, gpus: float | None) -> SweepConfig:
    """The same models with so many trials side by side; images and memory are those of `folder`."""
    resources = {"max_concurrent": workers, "cpus_per_trial": config.resources.cpus_per_trial or config.fit.threads}
    if gpus is not None:
        resources["gpus_per_trial"] = gpus
    return config.model_copy(
        update={
            "resources": config.resources.model_copy(update=resources),
            "data": config.data.model_copy(update={"cache_dir": str(folder / "images")}),
            "record": config.record.model_copy(update={"wandb": None, "mlflow": None, "profile": False}),
            "bench": BenchConfig(),
        }
    )


def timed_run(config: SweepConfig, folder: Path, workers: int, repeat: int) -> tuple[TimedRun, dict[str, str]]:
    """Trains everything once; what it took, and the weights by key.

    Args:
        config: of `config_of`.
        folder: for the run, which is removed at the end, and for its config.

    Raises:
        HpmkdError: the training failed.
    """
    output = OutputDir(folder / f"repeat{repeat}-workers{workers}")
    remove(output)
    shutil.rmtree(memory_folder(config.data), ignore_errors=True)
    source = folder / f"workers{workers}.yaml"
    commit_bytes(source, to_yaml(config).encode())
    command = [sys.executable, "-m", "hpmkd", "run", "--mode", str(source), "--output", str(output.root), "--quiet"]
    seconds = _seconds_of(command, folder)
    jobs, known = open_sweep(output.root).jobs, headers(output)
    took = {key: one.train_time for key, one in known.items()}
    networks = {job.key for job in jobs if job.role.is_network}
    weights = {key: str(one.weights) for key, one in sorted(known.items()) if key in networks}
    if networks - weights.keys():
        raise HpmkdError(
            f"{output.root}: models of a timed run are missing",
            expected=count(len(networks), "network"),
            found=f"without {named(sorted(networks - weights.keys()))}",
            todo="the same command does this run again",
        )
    path = critical_path(jobs, {job.key: took.get(job.key, 0.0) for job in jobs if job.role is not Role.LOGITS})
    remove(output)
    return TimedRun(workers, repeat, seconds=seconds, training=sum(took.values()), path=path), weights


def remove(output: OutputDir) -> None:
    """Ends what a killed run left, and takes its folder away."""
    if not output.root.exists():
        return
    deadline = time.monotonic() + _GRACE
    while True:
        try:
            with locked(output):
                end_leftovers(output.ray_file)
                output.remove_scratch()
            break
        except Locked:  # of a killed measurement: its training saves its epochs and ends
            if time.monotonic() > deadline:
                raise
            time.sleep(0.5)
    shutil.rmtree(output.root, ignore_errors=True)


def _seconds_of(command: list[str], folder: Path) -> float:
    """How long a command takes; it ends with us, whatever ends us."""
    with tempfile.TemporaryFile(dir=folder) as said:
        start = time.monotonic()
        # A session of its own: Ctrl-C is for us, who then stop it.
        child = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=said, stderr=subprocess.STDOUT, env=environment(),
            start_new_session=True, preexec_fn=_end_with_parent if sys.platform.startswith("linux") else None,
        )  # fmt: skip
        try:
            code = child.wait()
        except BaseException:
            _stop(child)
            raise
        seconds = time.monotonic() - start
        if code:
            said.seek(0)
            lines = said.read().decode(errors="replace").strip().splitlines()
            raise _failed(code, lines)
    return seconds


def _failed(code: int, lines: list[str]) -> HpmkdError:
    kind = EnvironmentProblem if code == EnvironmentProblem.exit_code else HpmkdError
    return kind(
        "a timed training has failed", expected="exit code 0", found=f"{code}: " + "; ".join(lines[-3:]),
        todo="the same command continues with it",
    )  # fmt: skip


def _stop(child: subprocess.Popen[bytes]) -> None:
    child.send_signal(signal.SIGTERM)
    try:
        child.wait(_GRACE)
    except (subprocess.TimeoutExpired, KeyboardInterrupt):
        with contextlib.suppress(OSError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()


def _end_with_parent() -> None:
    """In the child: SIGTERM when the parent is killed."""
    ctypes.CDLL(None).prctl(_PARENT_DIED, signal.SIGTERM)
