"""Images in a file that is mapped into memory: what a process has read of it goes back, and stays with the system.

The system keeps what was read of a file in its cache for all processes, as long as nobody needs the memory; but each
process is charged for what it has touched, which would be the whole file after an epoch.
"""

from __future__ import annotations

import ctypes
import functools
import mmap
import sys
from collections.abc import Callable

import torch
from torch import Tensor

MOST_BYTES = 2**26  # of the file that a process is charged for
_AROUND = 2**21  # bytes that Linux may map at once around one that is asked for: those of a huge page
_DONT_NEED = 4  # Linux's MADV_DONTNEED


class Pages:
    """The pages of a mapped file in which a tensor lies. Nothing may ever be written to it: that would be lost.

    Args:
        pixels: all images of a part, `(N, H, W, C)`, as `torch.load` maps them.
    """

    def __init__(self, pixels: Tensor) -> None:
        size, start = pixels.numel() * pixels.element_size(), pixels.data_ptr()
        self._first = -(-start // mmap.PAGESIZE) * mmap.PAGESIZE
        whole = (start + size) // mmap.PAGESIZE * mmap.PAGESIZE - self._first
        self._bytes = whole if whole > 0 and _is_of_a_file(self._first) else 0
        self._most = max(1, MOST_BYTES // (size // max(1, len(pixels)) + _AROUND))
        self._read = 0

    def gathered(self, pixels: Tensor, places: Tensor) -> Tensor:
        """The images of the tensor at `places`, a copy; never more than some of them are mapped at a time."""
        found = torch.empty((len(places), *pixels.shape[1:]), dtype=pixels.dtype)
        for start in range(0, len(places), self._most):
            part = slice(start, start + self._most)
            found[part] = pixels[places[part]]
            self.read(len(found[part]))
        return found

    def read(self, images: int) -> None:
        """So many images have been read; from time to time what was read is given back."""
        self._read += images
        if self._read >= self._most:
            self._read = 0
            if self._bytes and (give_back := _madvise()) is not None:
                give_back(self._first, self._bytes, _DONT_NEED)


def _is_of_a_file(address: int) -> bool:
    """Whether a file stands behind the memory at an address; what has none would be lost."""
    try:
        with open("/proc/self/maps", encoding="utf-8", errors="replace") as maps:
            for line in maps:
                place, _, _, _, inode, *_ = line.split(maxsplit=5)
                first, last = (int(one, 16) for one in place.split("-"))
                if first <= address < last:
                    return inode != "0"
    except (OSError, ValueError):
        pass
    return False


@functools.cache
def _madvise() -> Callable[[int, int, int], int] | None:
    """The system's function; None where it means something else. That it fails changes nothing but the memory."""
    if sys.platform != "linux":
        return None
    found = ctypes.CDLL(None).madvise
    found.argtypes, found.restype = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int), ctypes.c_int
    return found
