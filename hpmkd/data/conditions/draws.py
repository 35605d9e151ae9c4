"""Random numbers of conditions: the same on every machine and with every version of numpy."""

from __future__ import annotations

import hashlib

import numpy as np
import numpy.typing as npt


def draws(what: str, name: str, count: int) -> npt.NDArray[np.uint64]:
    """The first `count` numbers in [0, 2^64) of a stream that depends on these two texts alone.

    They are the raw output of PCG64, of which numpy guarantees that it stays as it is; what its distributions and
    permutations make of it may change.
    """
    seed = int.from_bytes(hashlib.sha256(f"{what}:{name}".encode()).digest()[:16], "big")
    return np.asarray(np.random.PCG64(seed).random_raw(count), dtype=np.uint64)


def class_order(name: str, classes: int) -> list[int]:
    """The classes of a data set in a random order that depends on its bare name: under imbalance, the first class has
    the most images, and the second half of the order is the tail."""
    return [int(one) for one in draws("classes", name, classes).argsort(kind="stable")]


def tail_of(name: str, classes: int) -> list[int]:
    """The classes that have the fewest images under imbalance: the last half of them, of an odd number the smaller."""
    return class_order(name, classes)[classes - classes // 2 :]
