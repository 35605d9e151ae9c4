"""Texts in a column of images: paths of files, or something else that programs write there. No torch."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Sequence
from typing import NamedTuple

from hpmkd.data.source.listing import cut, listed
from hpmkd.errors import EnvironmentProblem

LFS_POINTER = b"version https://git-lfs"
_URL = re.compile(r"^\s*([a-z][a-z0-9+.-]+)://", re.IGNORECASE)  # two letters at least: C:/ is a drive
_DATA_URI = re.compile(r"^\s*data:[\w/+.-]*[;,]", re.IGNORECASE)
_BASE64 = re.compile(r"^[A-Za-z0-9+/_-]{32,}={0,2}\s*$")
_HEX = re.compile(r"^(0x)?[0-9a-f]{32,}$", re.IGNORECASE)
_PRINTED_BYTES = re.compile(r"""^\s*(b['"]|bytearray\(|\{\s*['"](bytes|path)['"])""")
_NUMBERS = re.compile(r"^[\s\[(]*-?\d+(\.\d*)?([\s,;|\])\[(]+-?\d+(\.\d*)?){3,}")
_PRINTED_OBJECT = re.compile(r"^\s*<.*(PIL|Image|array|object at|0x[0-9a-f]+).*>\s*$", re.DOTALL)
_STARTS = (b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"BM", b"RIFF", b"II*\0", b"MM\0*")
_NEVER_A_PATH = 1024  # characters without a dot


class Kind(NamedTuple):
    """What a text is, and what to do about a column of such."""

    name: str
    todo: str


_TO_FILES = "write the paths of the files there, or the bytes of the images (Parquet)"
URLS = Kind("URLs", f"download the images (nothing is fetched from addresses in tables), and {_TO_FILES}")
DATA_URIS = Kind("data: URIs", "decode what follows the comma (base64.b64decode), and write these bytes instead")
BASE64 = Kind("base64 text", "decode it (base64.b64decode), and write the bytes of the images instead")
HEX = Kind("hexadecimal text", "decode it (bytes.fromhex), and write the bytes of the images instead")
PRINTED = Kind("bytes as Python prints them", "a text cannot hold bytes: save the table as Parquet, with real ones")
NUMBERS = Kind("numbers written as text", "save the pixels as arrays (.npz), or as lists of numbers (Parquet)")
OBJECTS = Kind("objects as Python prints them", f"the images themselves were not saved: {_TO_FILES}")


def kind_of(text: str) -> Kind | None:
    """What a text is that is no path; None: it may be a path."""
    if _DATA_URI.match(text):
        return DATA_URIS
    if _URL.match(text):
        return URLS
    if _PRINTED_BYTES.match(text):
        return PRINTED
    if _PRINTED_OBJECT.match(text):
        return OBJECTS
    if _HEX.match(text) and _starts_an_image(_unhex(text)):
        return HEX
    if _BASE64.match(text) and (len(text) >= _NEVER_A_PATH or _starts_an_image(_decoded(text))):
        return BASE64
    return NUMBERS if _NUMBERS.match(text) else None


def _starts_an_image(data: bytes) -> bool:
    return data.startswith(_STARTS)


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text[:16].replace("-", "+").replace("_", "/"))
    except (binascii.Error, ValueError):
        return b""


def _unhex(text: str) -> bytes:
    start = text.removeprefix("0x").removeprefix("0X")
    return bytes.fromhex(start[:16])


def need_paths(place: str, column: str, texts: Sequence[tuple[int, str]]) -> None:
    """Texts by which no file was found: those that are no paths are told by what they are.

    Args:
        place: the table or list, for messages.
        column: its column of images.
        texts: each with its row.

    Raises:
        EnvironmentProblem: some of them are no paths.
    """
    found: dict[Kind, list[tuple[int, str]]] = {}
    for row, text in texts:
        if kind := kind_of(text):
            found.setdefault(kind, []).append((row, text))
    if found:
        raise EnvironmentProblem(
            f"{place}: the column {column!r} holds {' and '.join(kind.name for kind in found)}",
            expected="bytes of images, or paths of files",
            found=listed(
                f"{kind.name} in {len(rows):,} rows, such as row {rows[0][0]}: {cut(rows[0][1])}"
                for kind, rows in found.items()
            ),
            todo="; ".join(kind.todo for kind in found),
        )
