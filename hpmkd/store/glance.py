"""A quick look at a model file: what its sidecar says, and whether the size fits. No hash, no torch, writes nothing."""

from __future__ import annotations

from pathlib import Path

from hpmkd.errors import DamagedModel
from hpmkd.store.choice_file import verify_choice
from hpmkd.store.header import Header, read_sidecar, sidecar_path


class Unsealed(DamagedModel):
    """There is a file, but no sidecar that can be read; only a full verification can tell what it is."""


def glance(path: Path) -> Header:
    """The header of a model file that looks whole; `verify` is what makes sure.

    Raises:
        DamagedModel: it has another size than was written. Unsealed: see there. FileNotFoundError: it is not there.
    """
    if path.suffix == ".json":
        return verify_choice(path)
    size = path.stat().st_size
    header = read_sidecar(path)
    if header is None:
        raise Unsealed(str(path), expected=f"its sidecar {sidecar_path(path).name}", found="none that can be read")
    if size != header.size:
        raise DamagedModel(str(path), expected=f"{header.size:,} bytes", found=f"{size:,} bytes (truncated?)")
    return header
