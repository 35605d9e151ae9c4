"""Write a file so that its name never holds anything but whole content, whatever stops the process."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hpmkd.errors import EnvironmentFault

TEMP_PREFIX = ".tmp-"


def sha256_of(data: bytes | bytearray | memoryview) -> str:
    """SHA-256 in hex."""
    return hashlib.sha256(data).hexdigest()


def commit_bytes(path: Path, data: bytes | bytearray | memoryview) -> None:
    """Puts `data` under `path`: temp file in the same folder, fsync, rename over, fsync of the folder.

    A reader sees the old content or the new, never a mixture; after a power cut likewise.

    Raises:
        EnvironmentFault: disk full, read-only, no permission; the old content is still there.
    """
    temp = path.parent / f"{TEMP_PREFIX}{path.name}-{os.getpid()}-{uuid.uuid4().hex[:8]}"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temp.open("xb") as file:
            file.write(data)
            file.flush()
            _fsync(file.fileno())
        os.replace(temp, path)
        _fsync_folder(path.parent)
    except OSError as error:
        with contextlib.suppress(OSError):
            temp.unlink()
        raise EnvironmentFault(
            f"{path}: cannot be written",
            expected=f"{len(data):,} bytes free in a writable folder",
            found=f"{errno.errorcode.get(error.errno or 0, '?')}: {error.strerror}",
            todo="free space or correct the permissions, then start the same command again",
        ) from error


def commit_json(path: Path, value: Mapping[str, Any] | Sequence[Any]) -> None:
    """`commit_bytes` for a JSON object or list."""
    commit_bytes(path, json.dumps(value, indent=1).encode())


def remove_leftovers(folder: Path) -> int:
    """Removes temp files that a killed process left; call it only while holding the sweep's lock."""
    leftovers = list(folder.glob(f"{TEMP_PREFIX}*"))
    for path in leftovers:
        path.unlink(missing_ok=True)
    return len(leftovers)


def _fsync(descriptor: int) -> None:
    try:
        os.fsync(descriptor)
    except OSError as error:
        # Some network and FUSE file systems have no fsync; the rename still keeps the content whole.
        if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.ENOSYS):
            raise


def _fsync_folder(folder: Path) -> None:
    if os.name != "posix":
        return  # Windows cannot open a folder; its rename is journalled.
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        _fsync(descriptor)
    finally:
        os.close(descriptor)
