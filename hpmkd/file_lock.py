"""A lock between processes, on any file system: its own lock, or a file that stands in for it."""

from __future__ import annotations

import errno
import warnings
from pathlib import Path

from filelock import BaseFileLock, FileLock, SoftFileLock

# What `flock` says where a file system has no such thing: Google Drive and other FUSE mounts, some network ones.
_NO_FLOCK = {errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL, errno.ENOLCK}
_SECOND_LOOK_SECONDS = 0.2  # the first look may find a dead owner, the second takes over


def acquire(path: Path, timeout: float = -1) -> BaseFileLock:
    """Holds `path` until `release`; the system frees it whatever becomes of the process.

    Where the file system has no locks, `<path>.soft` stands in: it names host, process and the process's start. One
    whose process is gone from this host is taken over; of another host nobody here can know that.

    Args:
        path: the file to lock; its folder exists.
        timeout: seconds to wait for another holder; negative: as long as it takes.

    Raises:
        filelock.Timeout: another process holds it still; its `lock_file` says which file.
        OSError: neither can be made.
    """
    soft = SoftFileLock(f"{path}.soft")
    try:
        lock = FileLock(str(path), fallback_to_soft=False)
        lock.acquire(timeout=timeout)
    except (OSError, NotImplementedError) as error:
        if isinstance(error, OSError) and error.errno not in _NO_FLOCK:
            raise
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            soft.acquire(timeout=timeout if timeout < 0 else max(timeout, _SECOND_LOOK_SECONDS))
        return soft
    return lock
