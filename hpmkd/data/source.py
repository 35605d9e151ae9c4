"""The files of a user's own data set and their hash, before any image is decoded. No torch."""

from __future__ import annotations

import hashlib
from pathlib import Path

from hpmkd.errors import EnvironmentProblem

LAYOUT = "train.parquet and test.parquet (columns image, label), or train/<class>/ and test/<class>/ with images"


def source_files(folder: Path) -> list[Path]:
    """The files that make up the data set, sorted; EnvironmentProblem where the folder has neither layout."""
    parts = {part: parquet_files(folder, part) for part in ("train", "test")}
    if all(parts.values()):
        return [path for paths in parts.values() for path in paths]
    if all((folder / part).is_dir() for part in parts):
        return sorted(path for part in parts for path in (folder / part).rglob("*") if path.is_file())
    found = sorted(path.name for path in folder.iterdir())[:8] if folder.is_dir() else []
    raise EnvironmentProblem(
        f"{folder}: not a data set",
        expected=LAYOUT,
        found=", ".join(found) or "an empty or missing folder",
        todo="correct the path or the layout",
    )


def content_hash(folder: Path) -> str:
    """SHA-256 (hex) over names and bytes of all source files: the identity of the data set, wherever it lies."""
    digest = hashlib.sha256()
    for path in source_files(folder):
        with path.open("rb") as file:
            one = hashlib.file_digest(file, "sha256").hexdigest()
        digest.update(f"{path.relative_to(folder).as_posix()}\0{one}\n".encode())
    return digest.hexdigest()


def parquet_files(folder: Path, part: str) -> list[Path]:
    """`train.parquet`, or shards such as `data/train-00000-of-00002.parquet`."""
    for place in (folder, folder / "data"):
        exact = place / f"{part}.parquet"
        paths = [exact] if exact.is_file() else sorted(place.glob(f"{part}-*.parquet"))
        if paths:
            return paths
    return []
