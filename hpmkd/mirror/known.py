"""What lies in a mirror, as far as this output knows: a line per file in `.mirror.jsonl`, which only grows.

Nothing is lost with it: what it does not know is copied once more. A reader leaves out lines that a kill tore.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from hpmkd.files import commit_bytes, parse_json
from hpmkd.mirror.contents import is_result, key_of_epoch

Version = tuple[int, int]  # size and time of the last change of the file here


class Known:
    """By name, which version of a file was copied.

    Args:
        file: where it is noted.
        uri: of the mirror; notes about another one do not count.
    """

    def __init__(self, file: Path, uri: str) -> None:
        self.file, self.uri = file, uri
        self.versions = _read(file, uri)

    def keep(self, there: Mapping[str, int]) -> None:
        """Forgets what is not there any more, or has another size (`there`: name -> size); writes the notes anew."""
        self.versions = {name: one for name, one in self.versions.items() if there.get(name) == one[0]}
        # What another machine has saved of models that are finished is known, so that it is removed.
        done = {PurePosixPath(name).stem for name in there if is_result(name)}
        self.versions |= {name: (size, 0) for name, size in there.items() if key_of_epoch(name) in done}
        lines = [{"uri": self.uri}, *(_line(name, version) for name, version in self.versions.items())]
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
        with contextlib.suppress(OSError), self.file.open("a") as file:
            file.write(json.dumps(line) + "\n")


def _line(name: str, version: Version) -> dict[str, object]:
    return {"name": name, "size": version[0], "changed": version[1]}


def _read(file: Path, uri: str) -> dict[str, Version]:
    found: dict[str, Version] = {}
    try:
        first, *lines = file.read_text(errors="replace").splitlines() or [""]
        if parse_json(first)["uri"] != uri:
            return {}
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    for line in lines:
        with contextlib.suppress(ValueError, KeyError, TypeError):
            values = parse_json(line)
            if "size" in values:
                found[values["name"]] = int(values["size"]), int(values["changed"])
            else:
                found.pop(values["name"], None)
    return found
