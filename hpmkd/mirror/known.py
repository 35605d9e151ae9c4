"""What lies in a mirror, as far as this output knows: a line per file in `.mirror.jsonl`, which only grows.

Nothing is lost with it: what it does not know is copied once more. A reader leaves out lines that a kill tore.
"""

from __future__ import annotations

import contextlib
import json
import threading
import uuid
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from hpmkd.files import commit_bytes, parse_json
from hpmkd.mirror.contents import is_result, key_of_epoch

Version = tuple[int, int]  # size and time of the last change of the file here


class Known:
    """By name, which version of a file was copied.

    Args:
        file: where it is noted.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        self._first, self._noted = _read(file)
        self.home = str(self._first.get("home") or uuid.uuid4().hex)  # the output's own name
        self.versions: dict[str, Version] = {}
        self._lock = threading.Lock()

    def of(self, mirror: str, there: Mapping[str, int]) -> None:
        """From now on it is about this mirror: what was noted of another one, or has another size, is forgotten.

        Args:
            mirror: its own name, see `Claim.mirror`.
            there: what lies there, name -> size.
        """
        if self._first.get("mirror") == mirror:
            self.versions = {name: one for name, one in self._noted.items() if there.get(name) == one[0]}
        # What another machine has saved of models that are finished is known, so that it is removed.
        done = {PurePosixPath(name).stem for name in there if is_result(name)}
        self.versions |= {name: (size, 0) for name, size in there.items() if key_of_epoch(name) in done}
        lines = [{"mirror": mirror, "home": self.home}, *(_line(name, one) for name, one in self.versions.items())]
        commit_bytes(self.file, b"".join(json.dumps(one).encode() + b"\n" for one in lines))

    def add(self, name: str, version: Version) -> None:
        """It was copied."""
        self.versions[name] = version
        self._append(_line(name, version))

    def remove(self, name: str) -> None:
        """It is not there any more."""
        self.versions.pop(name, None)
        self._append({"name": name})

    def _append(self, line: Mapping[str, object]) -> None:
        with contextlib.suppress(OSError), self._lock, self.file.open("a") as file:
            file.write(json.dumps(line) + "\n")


def _line(name: str, version: Version) -> dict[str, object]:
    return {"name": name, "size": version[0], "changed": version[1]}


def _read(file: Path) -> tuple[dict[str, Any], dict[str, Version]]:
    found: dict[str, Version] = {}
    try:
        first, *lines = file.read_text(errors="replace").splitlines() or [""]
        about = dict(parse_json(first))
    except (OSError, ValueError, TypeError):
        return {}, {}
    for line in lines:
        with contextlib.suppress(ValueError, KeyError, TypeError):
            values = parse_json(line)
            if "size" in values:
                found[values["name"]] = int(values["size"]), int(values["changed"])
            else:
                found.pop(values["name"], None)
    return about, found
