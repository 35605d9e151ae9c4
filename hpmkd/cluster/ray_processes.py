"""Which processes of a private Ray are this sweep's, and their end: at the sweep's own, or at the next start.

A killed driver can leave Ray's processes behind, and a worker that trains on writes into the output. Before Ray starts,
a mark goes into the output and into the environment that Ray's processes (and those of MPS) inherit; only what carries
it is ended.
"""

from __future__ import annotations

import contextlib
import os
import platform
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil

from hpmkd.errors import EnvironmentProblem
from hpmkd.files import commit_json, parse_json

MARK = "HPMKD_RAY_OF"
VITAL = ("gcs_server", "raylet")
MPS_NAME = "nvidia-cuda-mps"  # of the daemon and of its server, as far as Linux keeps a name
_GONE = (psutil.NoSuchProcess, psutil.AccessDenied, OSError)


def machine() -> dict[str, str]:
    """What tells this machine and its current boot from others: pids mean something only there."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        boot = ""  # no such thing outside Linux: the host's name and the mark must do
    return {"host": platform.node(), "boot": boot}


class RayProcesses:
    """The processes of one private Ray, known by their mark; `file` remembers it for the next start."""

    def __init__(self, file: Path, mark: str | None = None, noted: tuple[tuple[int, float], ...] = ()) -> None:
        self.file, self.mark, self.noted = file, mark or uuid.uuid4().hex, noted

    @contextlib.contextmanager
    def marking(self) -> Iterator[None]:
        """Ray is started inside. The mark is in the file first, so no process with a mark is ever unknown.

        Raises:
            EnvironmentProblem: the output cannot be written.
        """
        self._write()
        os.environ[MARK] = self.mark
        try:
            yield
        finally:
            # Not for what the user starts later in this process, such as another Ray.
            os.environ.pop(MARK, None)
        found = self.find()
        self.noted = tuple((one.pid, one.create_time()) for one in found if one.is_running())
        self._write()

    def _write(self) -> None:
        commit_json(self.file, {**machine(), "mark": self.mark, "processes": [list(one) for one in self.noted]})

    def find(self) -> list[psutil.Process]:
        """Those that live: with the mark, below one with the mark, or noted at the start (some hide their
        environment: Ray writes their titles over it)."""
        found: dict[int, psutil.Process] = {}
        for process in psutil.process_iter():
            with contextlib.suppress(*_GONE):
                if process.environ().get(MARK) == self.mark and process.pid != os.getpid():
                    found[process.pid] = process
                    found.update({child.pid: child for child in process.children(recursive=True)})
        for pid, created in self.noted:
            with contextlib.suppress(*_GONE):
                process = psutil.Process(pid)
                if abs(process.create_time() - created) < 0.1:
                    found.setdefault(pid, process)
        return [process for process in found.values() if lives(process)]

    def vital(self) -> dict[psutil.Process, str]:
        """The raylet and the GCS, by name: without one of them Ray is lost."""
        names = {process: _name(process) for process in self.find()}
        return {process: name for process, name in names.items() if name in VITAL}

    def end(self, seconds: float = 5.0) -> list[psutil.Process]:
        """Kills what lives, waits for its end, and forgets the file; returns what would not die in `seconds`."""
        left = self.kill(seconds)
        if not left:
            with contextlib.suppress(OSError):
                self.file.unlink()
        return left

    def kill(self, seconds: float = 5.0, name: str = "") -> list[psutil.Process]:
        """Kills those whose name begins so, and waits; returns what would not die in `seconds`."""
        left: list[psutil.Process] = []
        for _ in range(3):  # a raylet may have started a worker between our look and its end
            found = self.named(name)
            if not found:
                break
            for process in sorted(found, key=_turn):
                with contextlib.suppress(*_GONE):
                    process.kill()
            left = _wait(found, seconds)
        return left

    def named(self, name: str) -> list[psutil.Process]:
        """Those that live and whose name begins so."""
        return [process for process in self.find() if _name(process).startswith(name)]


def end_leftovers(file: Path) -> int:
    """Ends what a dead sweep left on this machine (call it under the lock on its output); returns how many.

    A file from another machine, of an earlier boot, or one that cannot be read leads to nothing.

    Raises:
        EnvironmentProblem: one of them cannot be killed: it could still write into the output.
    """
    try:
        values: dict[str, Any] = parse_json(file.read_text())
        if {name: values[name] for name in machine()} != machine():
            return 0
        old = RayProcesses(file, str(values["mark"]), tuple((int(pid), float(at)) for pid, at in values["processes"]))
    except (OSError, ValueError, KeyError, TypeError):
        return 0
    found = old.find()
    stubborn = old.end()
    if stubborn:
        names = ", ".join(f"{process.pid} ({_name(process)})" for process in stubborn)
        raise EnvironmentProblem(
            f"{file.parent}: processes of an earlier run are still alive",
            expected="none, because their sweep has ended",
            found=names,
            todo="end them (one that waits for a disk or a GPU can take a while), then start again",
        )
    return len(found)


def lives(process: psutil.Process) -> bool:
    """Whether it runs (a zombie does not)."""
    with contextlib.suppress(*_GONE):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


def _wait(processes: list[psutil.Process], seconds: float) -> list[psutil.Process]:
    """Those that are still alive after `seconds`; returns as soon as there is none.

    Not psutil's own wait: in a container whose first process reaps no orphans it waits for zombies.
    """
    start = time.monotonic()
    while (left := [process for process in processes if lives(process)]) and time.monotonic() - start < seconds:
        time.sleep(0.02)
    return left


def _turn(process: psutil.Process) -> int:
    """The raylet first: it would replace its workers. MPS last: its clients would fail before they end."""
    name = _name(process)
    return 0 if name in VITAL else 2 if name.startswith(MPS_NAME) else 1


def _name(process: psutil.Process) -> str:
    with contextlib.suppress(*_GONE):
        return process.name().removesuffix(".exe")
    return ""
