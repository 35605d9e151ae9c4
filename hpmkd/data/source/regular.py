"""Regular files, and what else there is by the name of one: opening a pipe may wait without end. No torch."""

from __future__ import annotations

import errno
import stat
from pathlib import Path

NOT_REGULAR = "not a regular file"
_KINDS = {
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def what_else(place: Path) -> str:
    """`a named pipe`, `a socket`, `a device`; empty for regular files, for folders, and where nothing can be looked at.

    Links are followed, and nothing is opened.
    """
    try:
        return _KINDS.get(stat.S_IFMT(place.stat().st_mode), "")
    except OSError:
        return ""


def read_regular(place: Path) -> bytes:
    """The bytes of a file.

    Raises:
        OSError: it cannot be read, or is no regular file, which is not opened.
    """
    if kind := what_else(place):
        raise OSError(errno.EINVAL, f"{kind}, not a regular file", str(place))
    return place.read_bytes()
