"""What a node of a cluster sees of a sweep's output, and which software it has.

This module travels to nodes by value: where hpmkd is not installed, a function of it would only say that it cannot be
imported. So it needs the standard library alone.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import platform
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

# What a model's numbers depend on; of other packages nodes may have other versions.
PACKAGES = ("torch", "numpy")


def look(output: str, plan: str, mark: str, here: str = "", packages: Sequence[str] = PACKAGES) -> dict[str, Any]:
    """Of the node on which it is called.

    Args:
        output: the sweep's folder.
        plan: name of a file there, whose hash is told.
        mark: name of a file that is written there, with its own name as its content.
        here: name of a file that the asking machine has written there.
        packages: whose versions are told.

    Returns:
        `sees`: whether `here` is there; `host`; `python`; a version or None of each package; `hpmkd`: see `installed`;
        `time`: seconds since 1970; `plan`: the file's hash, or why there is none; `mark`: None, or why it was not
        written.
    """
    found: dict[str, Any] = {"host": platform.node(), "hpmkd": installed(), **versions(packages)}
    found["sees"] = Path(output, here).is_file()
    try:
        found["plan"] = hashlib.sha256(Path(output, plan).read_bytes()).hexdigest()
    except OSError as error:
        found["plan"] = str(error)
    found["mark"] = None
    try:
        if found["sees"] or not here:  # else it would stay there
            Path(output, mark).write_text(mark)
    except OSError as error:
        found["mark"] = str(error)
    return {**found, "time": time.time()}


def versions(packages: Sequence[str] = PACKAGES) -> dict[str, str | None]:
    """Of Python, and of each package; None where it is not there."""
    found: dict[str, str | None] = {"python": platform.python_version()}
    for name in packages:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = None
    return found


def installed() -> tuple[str, str] | None:
    """Where hpmkd lies, and the hash of its source; None where it is not found."""
    spec = importlib.util.find_spec("hpmkd")
    if spec is None or not spec.origin:
        return None
    root, digest = Path(spec.origin).parent, hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        digest.update(str(path.relative_to(root)).encode() + b"\0" + path.read_bytes())
    return str(root), digest.hexdigest()[:12]
