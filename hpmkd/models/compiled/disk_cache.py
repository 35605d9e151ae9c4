"""Compiled kernels on the disk, so that a machine compiles each once.

numba has a cache of its own, which several processes that compile may mix up, and whose damaged files end a process.
So each kernel has a folder, which is made aside, sealed with the hash of its files and then renamed. Whatever is wrong
with the disk, the kernels are compiled in this process alone.
"""

from __future__ import annotations

import contextlib
import hashlib
import platform
import shutil
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
from llvmlite import binding

from hpmkd.config.user_cache import user_cache

_SEAL = "seal"
_FOLDER = "kernels"
_NEW, _LEFT_SECONDS = ".new-", 3600.0  # no compilation takes that long
_LOCK = threading.Lock()  # numba's folder is a setting of the whole process

# Given options of `njit`: makes functions and compiles them.
Make = Callable[[dict[str, Any]], Any]


def through_cache(what: str, make: Make) -> Any:
    """What `make` makes, from the disk where it is there.

    Args:
        what: the kernel's shape, and all else that its code depends on beside its source.
        make: see above.
    """
    with _LOCK, contextlib.suppress(Exception):  # a full or read-only disk, no folder at all, other users' files
        folder = _root() / _name(what)
        if _is_sound(folder):
            return _with_folder(folder, make)
        _remove_leftovers(folder.parent)
        new = Path(tempfile.mkdtemp(dir=folder.parent, prefix=_NEW))
        try:
            made = _with_folder(new, make)
            with contextlib.suppress(OSError):  # another process was first
                _publish(new, folder)
        finally:
            shutil.rmtree(new, ignore_errors=True)
        return made
    return make({"nogil": True})


def _root() -> Path:
    folder = user_cache() / _FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _remove_leftovers(root: Path) -> None:
    """Folders of processes that were killed while they compiled."""
    for left in root.glob(f"{_NEW}*"):
        with contextlib.suppress(OSError):  # another process is at it
            if time.time() - left.stat().st_mtime > _LEFT_SECONDS:
                shutil.rmtree(left, ignore_errors=True)


def _name(what: str) -> str:
    """Of the folder: everything that its content depends on."""
    here = Path(__file__).resolve().parent  # numba's files are called after it
    sources = b"".join(path.read_bytes() for path in sorted(here.glob("*.py")))
    features = binding.get_host_cpu_features().flatten()
    processor = f"{binding.get_host_cpu_name()} {features} {numba.config.CPU_NAME} {numba.config.CPU_FEATURES}"
    versions = f"{here} {numba.__version__} {platform.python_version()} {platform.machine()}"
    return hashlib.sha256(sources + f"{what}\n{versions}\n{processor}".encode()).hexdigest()[:24]


def _with_folder(folder: Path, make: Make) -> Any:
    before = numba.config.CACHE_DIR
    numba.config.CACHE_DIR = str(folder)
    try:
        return make({"nogil": True, "cache": True})
    finally:
        numba.config.CACHE_DIR = before


def _hash(folder: Path) -> str:
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != _SEAL)
    text = "".join(f"{path.relative_to(folder)} {hashlib.sha256(path.read_bytes()).hexdigest()}\n" for path in files)
    return hashlib.sha256(text.encode()).hexdigest()


def _is_sound(folder: Path) -> bool:
    try:
        return (folder / _SEAL).read_text() == _hash(folder)
    except (OSError, UnicodeDecodeError):
        return False


def _publish(new: Path, folder: Path) -> None:
    (new / _SEAL).write_text(_hash(new))
    if folder.is_symlink() or folder.is_file():
        folder.unlink()
    shutil.rmtree(folder, ignore_errors=True)  # what is there is damaged
    new.rename(folder)
