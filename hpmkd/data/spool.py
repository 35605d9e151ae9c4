"""Decoded images while a data set is read: in memory, or, where they are many, in a file without a name. No torch."""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from pathlib import Path
from typing import IO

import numpy as np

from hpmkd.errors import EnvironmentProblem
from hpmkd.files import cannot_write

# Decoded images of more bytes go to the disk: a process that holds them costs a machine what its trainings need.
IN_MEMORY_BYTES = 2**28


class Spool:
    """Images `(H, W)` or `(H, W, 3)` uint8 of one size, in order.

    Args:
        folder: on whose disk they lie, in a file that vanishes with the process; None: they stay in memory.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.dimensions: Counter[int] = Counter()
        self._kept: list[np.ndarray] = []
        self._folder, self._each = folder, bytearray()  # of those in the file: how many dimensions each has
        self._file = None if folder is None else _scratch(folder)
        self._size = (0, 0)

    def add(self, pixels: np.ndarray) -> None:
        """Takes the next image."""
        self.dimensions[pixels.ndim] += 1
        self._size = pixels.shape[0], pixels.shape[1]
        if self._file is None:
            self._kept.append(pixels)
            return
        self._each.append(pixels.ndim)
        self._write(self._file, pixels)

    def _write(self, file: IO[bytes], pixels: np.ndarray) -> None:
        try:
            file.write(np.ascontiguousarray(pixels).data)
        except OSError as error:
            raise _full(self._folder or Path(), error) from error

    def stacked(self, colour: bool) -> np.ndarray:
        """All of them, once, `(N, H, W, C)` uint8; grey ones get three channels where there are coloured ones.

        Args:
            colour: whether some of the data set are coloured.
        """
        shape = (self.dimensions.total(), *self._size, 3 if colour else 1)
        if self._file is None:
            pixels = np.empty(shape, dtype=np.uint8)
            for place, array in enumerate(self._kept):
                pixels[place] = array if array.ndim == 3 else array[:, :, None]
                self._kept[place] = pixels[place]  # frees the other copy
            return pixels
        file = self._in_colour(self._file) if colour and self.dimensions[2] else self._file
        file.flush()
        return np.memmap(file, np.uint8, "c", shape=shape)

    def _in_colour(self, file: IO[bytes]) -> IO[bytes]:
        """The same with three values for each pixel."""
        assert self._folder is not None
        file.seek(0)
        height, width = self._size
        coloured = _scratch(self._folder)
        for dimensions in self._each:
            one = np.frombuffer(file.read(height * width * (3 if dimensions == 3 else 1)), np.uint8)
            self._write(coloured, one if dimensions == 3 else one.repeat(3))
        return coloured


def _scratch(folder: Path) -> IO[bytes]:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return tempfile.TemporaryFile(dir=folder, prefix="hpmkd-images-")
    except OSError as error:
        raise _full(folder, error) from error


def _full(folder: Path, error: OSError) -> EnvironmentProblem:
    return cannot_write(folder / "images", error, "a writable folder with room for the decoded images")


def spool_for(size: int, folder: Path, source: str) -> tuple[Spool, Spool]:
    """Where the training and the held-out images of a data set go.

    Args:
        size: bytes of all of them.
        folder: for those that are too many for the memory.
        source: the data set, for messages.

    Raises:
        EnvironmentProblem: the disk has no room for them, twice: as they come, and as they are kept.
    """
    if size <= IN_MEMORY_BYTES:
        return Spool(), Spool()
    spools = Spool(folder), Spool(folder)
    if 2 * size > (free := shutil.disk_usage(folder).free):
        raise EnvironmentProblem(
            f"{source}: too large for the disk with the cache of decoded images, {folder}",
            expected=f"{2 * size / 2**30:.1f} GiB, twice what they take, while they are decoded",
            found=f"{free / 2**30:.1f} GiB",
            todo="choose a folder on another disk (--data.cache_dir FOLDER), or have the images resized: "
            "--data.image_size 64",
        )
    return spools
