"""By what a user's own data set is known: the bytes of its images, and their labels. No torch."""

from __future__ import annotations

import hashlib
import json

import numpy as np

from hpmkd.config.sweep import DataConfig
from hpmkd.data.examine import raise_faults
from hpmkd.data.source.faults import Fault, unopened, unreadable_images
from hpmkd.data.source.inventory import Inventory
from hpmkd.data.source.tree import File

# The values of the config that change decoded pixels.
_PIXEL_KEYS = ("image_size",)


def identity(inventory: Inventory, config: DataConfig) -> str:
    """SHA-256 (hex) over labels and bytes of all images in order, and what in the config changes their pixels.

    Names of files, the folder, and files that no reader reads are no part of it.

    Raises:
        EnvironmentProblem: files that cannot be read; it names these and all that cannot be decoded either.
    """
    digest = hashlib.sha256()
    pixels = {key: getattr(config, key) for key in _PIXEL_KEYS if getattr(config, key) is not None}
    digest.update(json.dumps({"classes": len(inventory.labelling.names), **pixels}).encode())
    known: dict[File, bytes] = {}
    faults: list[Fault] = []
    for name, part, labels in inventory.parts():
        digest.update(f"\n{name} {len(part.items)}\n".encode())
        digest.update(np.asarray(labels, dtype="<i8").tobytes())
        for file in part.sources:
            try:
                known[file] = known.get(file) or hash_of(file)
                digest.update(known[file])
            except (OSError, ValueError) as error:  # ValueError: a path that cannot be one
                faults.append(unopened(file, error))
    if faults:
        raise_faults(inventory, config)
        raise unreadable_images(str(inventory.tree.source), inventory.images, faults)
    return digest.hexdigest()


def hash_of(file: File) -> bytes:
    """SHA-256 of a file's bytes; OSError where it cannot be read."""
    if file.local is None:
        return hashlib.sha256(file.read()).digest()
    with file.local.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").digest()
