"""The lock on an output folder: one sweep at a time."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager

from filelock import FileLock, Timeout

from hpmkd.atomic import commit_json
from hpmkd.errors import EnvironmentFault, Locked
from hpmkd.output import Output


@contextmanager
def locked(output: Output) -> Iterator[None]:
    """Holds the output folder (made if missing); the system frees it whatever becomes of the process.

    Raises:
        Locked: another sweep holds it; the message names its host and process.
        EnvironmentFault: the folder cannot be made or written.
    """
    owner = output.lock_file.with_suffix(".owner.json")
    try:
        output.root.mkdir(parents=True, exist_ok=True)
        lock = FileLock(str(output.lock_file))
        lock.acquire(timeout=0)
    except Timeout as error:
        raise Locked(
            f"{output.root}: another sweep is working here",
            found=_owner(owner.read_text() if owner.exists() else ""),
            todo="wait for it or stop it, or use another --output",
        ) from error
    except OSError as error:
        raise EnvironmentFault(
            f"{output.root}: cannot be used as the output folder",
            found=str(error),
            todo="choose another one with --output",
        ) from error
    try:
        commit_json(owner, {"host": platform.node(), "pid": os.getpid()})
        yield
    finally:
        owner.unlink(missing_ok=True)
        lock.release()


def _owner(text: str) -> str:
    try:
        values = json.loads(text)
        return f"process {values['pid']} on {values['host']}"
    except (ValueError, KeyError, TypeError):
        return "an owner that left no name"
