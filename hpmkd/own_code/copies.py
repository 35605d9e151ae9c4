"""Copies of the files that users bring, and their hashes."""

from __future__ import annotations

import contextlib
import hashlib
import shutil
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from hpmkd.config.own import Locator


def copied(files: Iterable[Path], folder: Path, target: Path) -> str:
    """Copies the files; the hash of the copies, see `hash_of`."""
    names = [file.relative_to(folder).as_posix() for file in files]
    for name in names:
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(folder / name, target / name)
    return hash_of(target, names)


def hash_of(folder: Path, names: Iterable[str]) -> str:
    """SHA-256 (hex) of the names and bytes of files in a folder."""
    digest = hashlib.sha256()
    for name in names:
        digest.update(f"{name}\n".encode())
        digest.update(hashlib.sha256((folder / name).read_bytes()).digest())
    return digest.hexdigest()


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Without the folder that the files came from: what the copy lacks is then missing here as it is in a worker."""
    kept = list(sys.path)
    sys.path[:] = [one for one in sys.path if Path(one or ".").resolve() != folder.resolve()]
    try:
        yield
    finally:
        sys.path[:] = kept


def installed(locator: Locator) -> str:
    """Of what an installed package has: the hash of the files that were imported from the package."""
    digest = hashlib.sha256()
    top = locator.place.partition(".")[0]
    names = sorted(name for name in sys.modules if name.partition(".")[0] == top)
    for name in names:
        file = getattr(sys.modules[name], "__file__", None)
        digest.update(f"{name}\n".encode())
        digest.update(Path(file).read_bytes() if file else b"")
    return digest.hexdigest()
