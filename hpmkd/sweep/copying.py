"""Puts copies of what users bring into the output."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from hpmkd.files import commit_bytes


def put(copy: Path, target: Path) -> None:
    """Puts a copy where it belongs; a folder that is there has the same content, by its name."""
    if copy.is_file():
        commit_bytes(target, copy.read_bytes())
        return
    if target.is_dir():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".tmp-", dir=target.parent, ignore_cleanup_errors=True) as folder:
        whole = Path(folder) / "copy"
        shutil.copytree(copy, whole)
        whole.rename(target)
