"""Where folders may lie that go with the process that made them."""

from __future__ import annotations

import tempfile
from pathlib import Path

SHORT_TEMP = Path("/tmp")  # for sockets, where the path of the system's temp folder is too long for them


def scratch_places() -> list[Path]:
    """Best first: the system's temp folder, and places with short paths."""
    return list(dict.fromkeys([Path(tempfile.gettempdir()), SHORT_TEMP, Path("/var/tmp"), Path("/dev/shm")]))
