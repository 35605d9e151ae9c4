"""The lock on an output folder: one sweep at a time."""

from __future__ import annotations

import datetime
import errno
import json
import os
import platform
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import BaseFileLock, FileLock, SoftFileLock, Timeout

from hpmkd.atomic import commit_json
from hpmkd.errors import EnvironmentFault, Locked
from hpmkd.output import Output

# What `flock` says where a file system has no such thing: Google Drive and other FUSE mounts, some network ones.
_NO_FLOCK = {errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL, errno.ENOLCK}


@contextmanager
def locked(output: Output) -> Iterator[None]:
    """Holds the output folder (made if missing); the system frees it whatever becomes of the process.

    Where the file system has no locks, a file that names its owner stands in: host, process and the process's start.
    One whose process is gone from this host is taken over; of another host nobody here can know that.

    Raises:
        Locked: another sweep holds it; the message names its host and process.
        EnvironmentFault: the folder cannot be made or written.
    """
    owner = output.lock_file.with_suffix(".owner.json")
    try:
        output.root.mkdir(parents=True, exist_ok=True)
        lock = _acquire(output.lock_file)
    except Timeout as error:
        raise Locked(
            f"{output.root}: another sweep is working here",
            found=_owner(owner),
            todo="wait for it or stop it, or use another --output" + _by_hand(Path(error.lock_file)),
        ) from error
    except OSError as error:
        raise EnvironmentFault(
            f"{output.root}: cannot be used as the output folder",
            found=str(error),
            todo="choose another one with --output",
        ) from error
    try:
        since = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        commit_json(owner, {"host": platform.node(), "pid": os.getpid(), "since": since})
        yield
    finally:
        owner.unlink(missing_ok=True)
        lock.release()


def _acquire(path: Path) -> BaseFileLock:
    """The file system's own lock, or the file that stands in for it."""
    soft = SoftFileLock(str(path.with_suffix(".lock.soft")))
    try:
        lock = FileLock(str(path), fallback_to_soft=False)
        lock.acquire(timeout=0)
    except (OSError, NotImplementedError) as error:
        if isinstance(error, OSError) and error.errno not in _NO_FLOCK:
            raise
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            soft.acquire(timeout=0.2)  # the first look may find a dead owner, the second takes over
        return soft
    return lock


def _by_hand(file: Path) -> str:
    if not file.name.endswith(".soft"):
        return ""
    return f"; if its machine is gone for good, remove {file}"


def _owner(file: Path) -> str:
    try:
        values = json.loads(file.read_text())
        return f"process {values['pid']} on {values['host']}, since {values.get('since', 'an unknown time')}"
    except (OSError, ValueError, KeyError, TypeError):
        return "an owner that left no name"
