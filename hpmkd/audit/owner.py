"""Which process works in an output folder, and whether it still does."""

from __future__ import annotations

import datetime
import platform
from typing import Literal

import psutil

from hpmkd.files import parse_json
from hpmkd.store.output_dir import OutputDir

Alive = Literal["running", "elsewhere", "killed", "stopped"]
SWEEP: dict[Alive, str] = {
    "running": "a sweep is running: {owner}",
    "elsewhere": "a sweep is running or was killed: {owner}, which cannot be checked from this machine",
    "killed": "no sweep is running; the last one ({owner}) was killed",
    "stopped": "no sweep is running",
}


def alive(output: OutputDir) -> tuple[Alive, str | None]:
    """Whether a sweep works here, and which process on which host; from the file beside its lock.

    The lock itself is not tried: holding it for a moment could turn a starting sweep away.
    """
    path = output.owner_file
    try:
        values = parse_json(path.read_text())
        host, pid, written = str(values["host"]), int(values["pid"]), path.stat().st_mtime
    except (OSError, ValueError, KeyError, TypeError):
        return "stopped", None
    owner = f"process {pid} on {host}"
    if host != platform.node():
        return "elsewhere", owner
    try:
        # After a restart of the machine the number may be another program's.
        same = psutil.Process(pid).create_time() <= written + 2
    except psutil.NoSuchProcess:
        same = False
    except psutil.Error:
        same = True
    return ("running" if same else "killed"), owner


def begun(output: OutputDir) -> datetime.datetime | None:
    """When the sweep began that works here or was killed here; None where that is not known."""
    try:
        values = parse_json(output.owner_file.read_text())
        return datetime.datetime.fromisoformat(values["since"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
