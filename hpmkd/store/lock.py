"""The lock on an output folder: one sweep at a time."""

from __future__ import annotations

import datetime
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import Timeout

from hpmkd.errors import EnvironmentProblem, Locked
from hpmkd.files import acquire, cannot_write, commit_json, in_the_way, parse_json
from hpmkd.store.output_dir import OutputDir


@contextmanager
def locked(output: OutputDir) -> Iterator[None]:
    """Holds the output folder (made if missing), see `file_lock.acquire`.

    Raises:
        Locked: another sweep holds it; the message names its host and process.
        EnvironmentProblem: the folder cannot be made or written.
    """
    owner = output.owner_file
    try:
        output.root.mkdir(parents=True, exist_ok=True)
        lock = acquire(output.lock_file, timeout=0)
    except Timeout as error:
        raise Locked(
            f"{output.root}: another sweep is running here",
            found=_owner(owner),
            todo="wait for it or stop it, or use another --output" + _by_hand(Path(error.lock_file)),
        ) from error
    except OSError as error:
        told = cannot_write(output.lock_file, error, "an output folder that can be written")
        raise EnvironmentProblem(
            f"{output.root}: cannot be used as the output folder",
            expected=told.expected,
            found=told.found if in_the_way(output.lock_file) else str(error),
            todo=f"choose another one with --output, or {told.todo}",
        ) from error
    try:
        since = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        commit_json(owner, {"host": platform.node(), "pid": os.getpid(), "since": since})
        yield
    finally:
        owner.unlink(missing_ok=True)
        lock.release()


def _by_hand(file: Path) -> str:
    if not file.name.endswith(".soft"):
        return ""
    return f"; if its machine no longer exists, delete {file}"


def _owner(file: Path) -> str:
    try:
        values = parse_json(file.read_text())
        return f"process {values['pid']} on {values['host']}, since {values.get('since', 'an unknown time')}"
    except (OSError, ValueError, KeyError, TypeError):
        return "an unknown process"
