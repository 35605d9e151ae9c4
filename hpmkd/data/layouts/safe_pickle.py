"""Reads the pickles in which CIFAR is published, and nothing else: a pickle may call any function that is installed.

Admitted are arrays of bytes, and the plain types that need no import: numbers, texts, lists, dictionaries. Not even
numpy's own functions are called: stand-ins take what they would be given, and look at it. No torch.
"""

from __future__ import annotations

import io
import math
import pickle
from typing import Any

import numpy as np

_NUMPY = ("numpy.core.multiarray", "numpy._core.multiarray")


class NotPlain(pickle.UnpicklingError):
    """The pickle asks for something else than arrays and plain types."""


class _Bytes:
    """Stands for an array; `pixels` is there once its content has come."""

    __slots__ = ("pixels",)

    def __setstate__(self, state: Any) -> None:
        _, shape, kind, by_column, raw = state
        data = raw.encode("latin-1") if isinstance(raw, str) else raw  # Python 2 had no bytes
        if not isinstance(kind, _Kind) or by_column or not isinstance(data, bytes) or math.prod(shape) != len(data):
            raise NotPlain("an array that is not one of bytes, row after row")
        self.pixels = np.frombuffer(data, np.uint8).reshape(shape)


class _Kind:
    """Stands for numpy's dtype, of bytes."""

    __slots__ = ()

    def __init__(self, name: str, *_: object) -> None:
        if name != "u1":
            raise NotPlain(f"an array of {name!r}, not of bytes (u1)")

    def __setstate__(self, state: object) -> None:
        """Byte order and alignment, which bytes have not."""


def _array(*_: object) -> _Bytes:
    return _Bytes()


def _encode(text: str, encoding: str = "latin-1") -> bytes:
    """Bytes as Python 3 writes them for Python 2."""
    if encoding not in ("latin1", "latin-1"):
        raise NotPlain(f"bytes in the encoding {encoding!r}")
    return text.encode("latin-1")


_ADMITTED: dict[tuple[str, str], Any] = {
    ("numpy", "ndarray"): _Bytes,
    ("numpy", "dtype"): _Kind,
    ("_codecs", "encode"): _encode,
    **{(module, "_reconstruct"): _array for module in _NUMPY},
}


class _Reader(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        """Nothing is imported."""
        if (module, name) not in _ADMITTED:
            raise NotPlain(f"it asks for {module}.{name}, which no data set needs")
        return _ADMITTED[module, name]


def load(data: bytes) -> dict[str, Any]:
    """The dictionary in a pickle: texts, numbers, lists of them, and arrays of bytes (uint8).

    Args:
        data: the whole pickle, of any protocol, also of Python 2.

    Raises:
        NotPlain: it holds something else, or is no pickle of a dictionary.
    """
    try:
        found = _Reader(io.BytesIO(data), encoding="latin1").load()
    except NotPlain:
        raise
    except Exception as error:  # a damaged pickle may raise anything: it is a program
        raise NotPlain(f"a damaged pickle ({type(error).__name__}: {error})") from error
    if not isinstance(found, dict):
        raise NotPlain(f"a pickle of a {type(found).__name__}, not of a dictionary")
    return {_text(key): value.pixels if isinstance(value, _Bytes) else value for key, value in found.items()}


def _text(key: Any) -> str:
    return key.decode("latin-1") if isinstance(key, bytes) else str(key)
