"""The text of a CSV list: its first line, and what keeps it from being read as one. No torch."""

from __future__ import annotations

import codecs
import csv
from typing import NamedTuple

from hpmkd.data.source.cells import LFS_POINTER

_LOOK = 4096  # bytes at the start that say what a file is
_ABOVE = 20  # lines that may stand above the names of the columns
FILE_NAMES = (
    *("file", "filename", "file_name", "filepath", "file_path", "filepaths", "path"),
    *("image", "image_path", "image_name", "img"),
)
LABEL_NAMES = ("label", "labels", "class", "class_name", "target", "category")
_FOREIGN = {
    b"PK\3\4": "a workbook or a ZIP file",
    b"\xd0\xcf\x11\xe0": "a workbook of Excel",
    b"\x1f\x8b": "packed with gzip",
    b"PAR1": "a Parquet file",
}


class Trouble(NamedTuple):
    """What keeps a list from being read, and what to do about it."""

    found: str
    todo: str


def header(data: bytes) -> list[str]:
    """The names in the first line; separated by commas, semicolons or tabs, whichever there are most of."""
    return fields(first_line(data).strip())


def first_line(data: bytes) -> str:
    """As text, without its end."""
    return data.split(b"\n", 1)[0].decode("utf-8-sig", "replace")


def fields(line: str) -> list[str]:
    """The values of a line."""
    try:
        return [
            name.strip() for name in next(csv.reader([line], delimiter=separator(line), skipinitialspace=True), [""])
        ]
    except csv.Error:  # an end of line in it
        return [line]


def separator(line: str) -> str:
    """Of a line."""
    return max(",;\t", key=line.count)


def columns(names: list[str]) -> tuple[int, int] | None:
    """The places of files and labels."""
    lower = [name.lower() for name in names]
    files = [lower.index(name) for name in FILE_NAMES if name in lower]
    labels = [lower.index(name) for name in LABEL_NAMES if name in lower]
    return (files[0], labels[0]) if files and labels else None


def label_of(names: list[str]) -> str:
    """The column of labels; empty where there is none."""
    found = columns(names)
    return names[found[1]] if found else ""


def other_labels(names: list[str]) -> list[str]:
    """Columns that might have been those of the labels too."""
    return [name for name in names if name.lower() in LABEL_NAMES and name != label_of(names)]


def trouble(data: bytes, name: str) -> Trouble | None:
    """What is wrong with a list as a text; None: nothing that is known.

    Args:
        data: its bytes.
        name: of the file, for what to do.
    """
    return _foreign(data) or _encoding(data, name) or _lines(data, name)


def _foreign(data: bytes) -> Trouble | None:
    start = data[:_LOOK]
    for magic, what in _FOREIGN.items():
        if start.startswith(magic):
            return Trouble(f"{what}, not a text", "save it as CSV (UTF-8)")
    if start.startswith(LFS_POINTER):
        return Trouble("a Git LFS pointer, not the file itself", "run git lfs pull in the data set's folder")
    if start.lstrip().lower().startswith((b"<!doctype html", b"<html")):
        return Trouble("a web page", "fetch the list again")
    return None


def _encoding(data: bytes, name: str) -> Trouble | None:
    wide = {codecs.BOM_UTF32_LE: "UTF-32", codecs.BOM_UTF32_BE: "UTF-32"}
    wide |= {codecs.BOM_UTF16_LE: "UTF-16", codecs.BOM_UTF16_BE: "UTF-16"}
    found = next((kind for mark, kind in wide.items() if data.startswith(mark)), "")
    start = data[:_LOOK]
    if not found and start.count(b"\0") * 3 > len(start):
        zeros = start[1::2].count(b"\0"), start[::2].count(b"\0")
        found = "UTF-16LE" if zeros[0] > zeros[1] else "UTF-16BE"
    if not found:
        try:
            data.decode("utf-8-sig")
            return None
        except UnicodeDecodeError as error:
            line = data[: error.start].count(b"\n") + 1
            what = f"line {line} is not UTF-8; perhaps Windows-1252 (Latin-1), which Excel writes"
            return Trouble(what, _convert(name, "WINDOWS-1252"))
    return Trouble(f"text in {found}, not in UTF-8", _convert(name, found))


def _convert(name: str, encoding: str) -> str:
    """UTF-8 with a mark at its start is read too, which is what Excel calls `CSV UTF-8`."""
    return f"convert it: iconv -f {encoding} -t UTF-8 {name} > new.csv (or save it anew as CSV UTF-8), and rename that"


def _lines(data: bytes, name: str) -> Trouble | None:
    if b"\r" in data.replace(b"\r\n", b"\n") and b"\n" not in data:
        what = "lines that end as on old Macs (CR alone), so all of it is one line"
        return Trouble(what, f"convert it: tr '\\r' '\\n' < {name} > new.csv, and rename that")
    lines = [line.decode("utf-8-sig", "replace").strip() for line in data[: _LOOK * 4].splitlines()[:_ABOVE]]
    place = next((place for place, line in enumerate(lines) if columns(fields(line))), 0)
    if place:
        what = f"the names of the columns are in line {place + 1}, below {lines[0][:40]!r}"
        return Trouble(
            what, f"delete what stands above the names: tail -n +{place + 1} {name} > new.csv, and rename that"
        )
    return None
