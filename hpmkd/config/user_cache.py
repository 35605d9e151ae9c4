"""The user's cache folder, and what stands in for it where there is none that can be written."""

from __future__ import annotations

import functools
import os
import stat
import tempfile
from pathlib import Path

from hpmkd.errors import EnvironmentProblem
from hpmkd.log import log


def user_cache() -> Path:
    """`hpmkd` in the user's cache folder; in a container without a home, a folder of this user's in the temp folder.

    Raises:
        EnvironmentProblem: that folder is there already and is not this user's alone.
    """
    usual = _usual()
    if usual is not None and _writable(usual):
        return usual
    return _stand_in("no home" if usual is None else str(usual), tempfile.gettempdir())


def need_home() -> None:
    """Gives this process and its children a home, if only `/`, where there is none: Ray and others fail without."""
    if os.path.expanduser("~") == "~":
        os.environ["HOME"] = "/"


def _usual() -> Path | None:
    base = os.environ.get("XDG_CACHE_HOME")
    try:
        return Path(base or Path.home() / ".cache") / "hpmkd"
    except RuntimeError:
        return None  # neither HOME nor an entry in the list of users


def _writable(folder: Path) -> bool:
    """Whether it can be written, or made."""
    while not os.path.lexists(folder) and folder != folder.parent:
        folder = folder.parent
    return os.access(folder, os.W_OK | os.X_OK)


@functools.cache
def _stand_in(instead_of: str, temp: str) -> Path:
    """Said once per process. It holds the key that Tune's states are signed with, so nobody else may write there."""
    user = os.getuid() if hasattr(os, "getuid") else 0
    folder = Path(temp) / f"hpmkd-cache-{user}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
        private = stat.S_ISDIR(found.st_mode) and found.st_uid == user and not found.st_mode & 0o077
        fault = "" if private or os.name != "posix" else "it belongs to, or is open to, other users"
    except OSError as error:
        fault = str(error)
    if fault:
        raise EnvironmentProblem(
            f"no folder for decoded images: {instead_of} cannot be written, nor can {folder} be used",
            expected="a writable home, or a folder of yours alone",
            found=fault,
            todo="name one: --data.cache_dir FOLDER, or XDG_CACHE_HOME in the environment",
        )
    log.info(f"the cache is {folder}, because {instead_of} cannot be written; --data.cache_dir names another")
    return folder
