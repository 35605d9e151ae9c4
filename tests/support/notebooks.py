"""Notebooks of the package: executed in a kernel of their own, also with a stand-in for Colab's Drive."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

import hpmkd

FOLDER = Path(hpmkd.__file__).parent / "notebooks"
# Of Colab's module, what a notebook calls: the storage appears in the file system, until it is unmounted.
_DRIVE = """
import os
from pathlib import Path

_mounted = []


def mount(mountpoint, force_remount=False, timeout_ms=120000, readonly=False):
    if mountpoint not in _mounted:
        Path(mountpoint).parent.mkdir(parents=True, exist_ok=True)
        Path(mountpoint).symlink_to(os.environ["STAND_IN_DRIVE"], target_is_directory=True)
        _mounted.append(mountpoint)
    print(f"Mounted at {mountpoint}")


def flush_and_unmount(timeout_ms=86400000):
    while _mounted:
        Path(_mounted.pop()).unlink()
    print("flushed")
"""


def executed(name: str, parameters: str, folder: Path, **env: str) -> Any:
    """The notebook after a run of all its cells, which begins with `parameters` instead of its own.

    Args:
        name: of the file.
        parameters: the source of the cell with that tag.
        folder: where the kernel works.
        env: more variables for the kernel.
    """
    nbclient, nbformat = pytest.importorskip("nbclient"), pytest.importorskip("nbformat")
    book = nbformat.read(FOLDER / name, as_version=4)
    (place,) = [i for i, cell in enumerate(book.cells) if "parameters" in cell.metadata.get("tags", [])]
    book.cells[place].source = parameters
    client = nbclient.NotebookClient(book, timeout=900, resources={"metadata": {"path": str(folder)}})
    client.execute(env={**os.environ, **env})
    return book


def printed(book: Any) -> str:
    """All that its cells have printed."""
    return "".join(out.text for out in outputs(book) if out.output_type == "stream")


def outputs(book: Any) -> list[Any]:
    """Of all cells."""
    return [out for cell in book.cells for out in cell.get("outputs", [])]


def colab(folder: Path) -> dict[str, str]:
    """Variables for a kernel that finds `google.colab`, whose Drive is `folder/drive`."""
    package, storage = folder / "stand_in" / "google" / "colab", folder / "drive"
    package.mkdir(parents=True, exist_ok=True)
    (package / "drive.py").write_text(_DRIVE)
    (storage / "MyDrive").mkdir(parents=True, exist_ok=True)
    before = os.environ.get("PYTHONPATH")
    path = os.pathsep.join([str(package.parents[1]), *([before] if before else [])])
    return {"PYTHONPATH": path, "STAND_IN_DRIVE": str(storage)}
