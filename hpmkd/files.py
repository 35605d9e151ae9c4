"""Atomic writes: a file has its complete content or does not exist, whatever stops the process. File locks."""

from __future__ import annotations

import contextlib
import errno
import glob
import hashlib
import json
import os
import tempfile
import time
import uuid
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from hpmkd.errors import EnvironmentProblem

if TYPE_CHECKING:
    from filelock import BaseFileLock

TEMP_PREFIX = ".tmp-"
# What `flock` says where a file system has no such thing: Google Drive and other FUSE mounts, some network ones.
_NO_FLOCK = {errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL, errno.ENOLCK}
_SECOND_LOOK_SECONDS = 0.2  # the first look may find a dead owner, the second takes over


def sha256_of(data: bytes | bytearray | memoryview) -> str:
    """SHA-256 in hex."""
    return hashlib.sha256(data).hexdigest()


def digest_of(values: Mapping[str, Any]) -> str:
    """SHA-256 (hex) over everything that a JSON file holds beside it."""
    return sha256_of(json.dumps(values, sort_keys=True).encode())


def commit_bytes(path: Path, data: bytes | bytearray | memoryview) -> None:
    """As `commit_written`."""
    commit_written(path, lambda file: file.write(data), f"{len(data):,} bytes free in a writable folder")


def commit_written(path: Path, write: Callable[[IO[bytes]], object], expected: str) -> None:
    """Puts what `write` writes under `path`: temp file in the same folder, fsync, rename over, fsync of the folder.

    A reader sees the old content or the new, never a mixture, also after a power cut. `expected` is for the error, an
    EnvironmentProblem: disk full, read-only, no permission.
    """
    temp = path.parent / f"{TEMP_PREFIX}{path.name}-{os.getpid()}-{uuid.uuid4().hex[:8]}"
    try:
        _make_folder(path.parent)
        with temp.open("xb") as file:
            write(file)
            file.flush()
            _fsync(file.fileno())
        os.replace(temp, path)
        _fsync_folder(path.parent)
    except BaseException as error:  # what `write` raises, too
        with contextlib.suppress(OSError):
            temp.unlink()
        if isinstance(error, OSError):
            raise cannot_write(path, error, expected) from error
        raise


def need_writable(path: Path) -> None:
    """Looks whether `path` can be written before what is to be written there is made; an old file stays as it is.

    Raises:
        EnvironmentProblem: it cannot.
    """
    try:
        _make_folder(path.parent)
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=TEMP_PREFIX):
            pass
    except OSError as error:
        raise cannot_write(path, error, "a writable folder") from error


def cannot_write(path: Path, error: OSError, expected: str) -> EnvironmentProblem:
    """The error for what cannot be written, with what helps against its cause."""
    found, todo = system_words(error), _WAYS_OUT.get(error.errno or 0, "free space or correct the permissions")
    blocking = in_the_way(path)
    if blocking is not None:
        kind, needed = ("a folder", "a file") if blocking.is_dir() else ("a file", "a folder")
        expected, found = f"{needed}, or nothing, at {blocking}", f"{kind} of that name"
        todo = f"move or remove {blocking}"
    return EnvironmentProblem(
        f"{path}: cannot be written", expected=expected, found=found, todo=f"{todo}, then start the same command again"
    )


def in_the_way(path: Path) -> Path | None:
    """A folder where the file `path` is to be, or what is no folder above it; None: neither."""
    if path.is_dir():
        return path
    return next((one for one in reversed(path.parents) if os.path.lexists(one) and not one.is_dir()), None)


_WAYS_OUT = {
    errno.ENOSPC: "free space on that disk",
    errno.EDQUOT: "free space: your share of that disk (quota) is used up",
    errno.EFBIG: "raise the limit on the size of a file (ulimit -f)",
    errno.EMFILE: "raise the limit on open files (ulimit -n)",
    errno.ENFILE: "end other programs: this machine has too many open files",
    errno.ENAMETOOLONG: "choose a folder with a shorter path",
    errno.EROFS: "make that disk writable, or choose a folder on another one",
    errno.EACCES: "correct the permissions, or choose another folder",
    errno.EPERM: "correct the permissions, or choose another folder",
    errno.EIO: "see to the disk or its connection",
    errno.ESTALE: "see to the disk or its connection",
    errno.ENOTCONN: "see to the disk or its connection",
}


def is_utf8(path: str | os.PathLike[str]) -> bool:
    """Whether a path is text in UTF-8; names on a Linux disk are any bytes."""
    try:
        os.fspath(path).encode()
    except UnicodeEncodeError:
        return False
    return True


def system_words(error: OSError) -> str:
    """`ENOSPC: No space left on device`."""
    return f"{errno.errorcode.get(error.errno or 0, '?')}: {error.strerror}"


def commit_json(path: Path, value: Mapping[str, Any] | Sequence[Any]) -> None:
    """`commit_bytes` for a JSON object or list."""
    commit_bytes(path, json.dumps(value, indent=1).encode())


def parse_json(text: str | bytes, **options: Any) -> Any:
    """`json.loads`; of text nested deeper than Python can read it raises ValueError, as of any that is no JSON."""
    try:
        return json.loads(text, **options)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def move(path: Path, target: Path) -> None:
    """Gives a file, folder or link another name, for good; nothing may lie under `target`.

    Raises:
        EnvironmentProblem: it cannot be moved; it lies where it lay.
    """
    try:
        _make_folder(target.parent)
        os.rename(path, target)
        _fsync_folder(target.parent)
        _fsync_folder(path.parent)
    except OSError as error:
        raise EnvironmentProblem(
            f"{path}: cannot be moved to {target}",
            expected="writable folders on one disk",
            found=system_words(error),
            todo="correct the permissions, or move it aside by hand, then start the same command again",
        ) from error


def remove_leftovers(*folders: Path) -> int:
    """Removes temp files that a killed process left; call it only while holding the sweep's lock."""
    leftovers = [path for folder in folders for path in folder.glob(f"{TEMP_PREFIX}*") if not path.is_dir()]
    for path in leftovers:
        # Whatever keeps a leftover from being removed (a read-only disk) is said when something is to be written.
        with contextlib.suppress(OSError):
            path.unlink()
    return sum(not path.exists() for path in leftovers)


def remove_old_leftovers(path: Path, seconds: float = 3600.0) -> None:
    """Removes temp files of `path` that a killed process left, where no lock says that nobody is at work: those that
    nobody has written to for so long. A write takes seconds."""
    for one in path.parent.glob(f"{TEMP_PREFIX}{glob.escape(path.name)}-*"):
        with contextlib.suppress(OSError):
            if time.time() - one.stat().st_mtime > seconds:
                one.unlink()


def _make_folder(folder: Path) -> None:
    """Makes a folder and those above it; each is on disk before something is put into it."""
    if folder.is_dir():
        return
    _make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    _fsync_folder(folder.parent)


# Some network and FUSE file systems have no fsync, of folders above all; the rename still keeps the content whole.
_NO_FSYNC = (errno.EINVAL, errno.ENOTSUP, errno.ENOSYS)
# A folder can be written without being readable, and then it cannot be opened to be synced.
_NO_OPEN = (*_NO_FSYNC, errno.EACCES, errno.EPERM, errno.EISDIR)


def _fsync(descriptor: int) -> None:
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _NO_FSYNC:
            raise


def _fsync_folder(folder: Path) -> None:
    if os.name != "posix":
        return  # Windows cannot open a folder; its rename is journalled.
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError as error:
        if error.errno in _NO_OPEN:
            return
        raise
    try:
        _fsync(descriptor)
    finally:
        os.close(descriptor)


def acquire(path: Path, timeout: float = -1) -> BaseFileLock:
    """Holds `path` until `release`; the system frees it whatever becomes of the process.

    Where the file system has no locks, `<path>.soft` stands in: it names host, process and the process's start. One
    whose process is gone from this host is taken over; of another host nobody here can know that.

    Args:
        path: of a folder that exists.
        timeout: seconds to wait for another holder; negative: as long as it takes.

    Raises:
        filelock.Timeout: another process holds it still; its `lock_file` says which. OSError: neither can be made.
    """
    from filelock import FileLock, SoftFileLock  # a training core without a sweep needs torch alone

    soft = SoftFileLock(f"{path}.soft")
    try:
        lock = FileLock(str(path), fallback_to_soft=False)
        lock.acquire(timeout=timeout)
    except (OSError, NotImplementedError) as error:
        if getattr(error, "errno", errno.ENOSYS) not in _NO_FLOCK:
            raise
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            soft.acquire(timeout=timeout if timeout < 0 else max(timeout, _SECOND_LOOK_SECONDS))
        return soft
    return lock
