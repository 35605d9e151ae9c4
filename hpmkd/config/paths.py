"""Paths as users write them."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from hpmkd.errors import UsageError


def user_path(text: str | os.PathLike[str], what: str) -> Path:
    """A path as a user wrote it, with `~` expanded.

    Args:
        text: the path.
        what: where it was written, such as `--output`.

    Raises:
        UsageError: it is empty, longer than the system allows, or in the home of nobody.
    """
    written = str(text)
    if not written.strip():
        raise UsageError(
            f"{what}: an empty path", found=repr(written), todo="name it; is a variable of the shell empty?"
        )
    shown = repr(written) if len(written) <= 80 else f"{written[:60]!r} and {len(written) - 60} characters more"
    try:
        path = Path(text).expanduser()
    except RuntimeError as error:
        raise UsageError(f"{what}: no such user", found=shown, todo="correct the name after the ~") from error
    try:
        if "\0" in written:  # `exists` says no, and whoever opens it gets a ValueError
            raise ValueError("a zero byte")
        path.exists()
    except (ValueError, OSError) as error:
        if isinstance(error, OSError) and error.errno != errno.ENAMETOOLONG:
            return path  # something may be there: whoever opens it says what is wrong
        raise UsageError(f"{what}: not a path on this system", found=shown, todo="shorten or correct it") from error
    return path
