"""The lock of a file in the cache of decoded images."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from hpmkd.errors import EnvironmentProblem
from hpmkd.files import acquire


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Holds the lock; only what concerns the lock is a fault of the cache."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = acquire(path)
    except OSError as error:
        raise EnvironmentProblem(
            f"{path}: the cache cannot be used",
            expected="a writable folder",
            found=str(error),
            todo="choose another folder: --data.cache_dir FOLDER",
        ) from error
    try:
        yield
    finally:
        lock.release()
