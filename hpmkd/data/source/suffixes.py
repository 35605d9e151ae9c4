"""Which files are images, and which surely are not, by their suffix."""

from __future__ import annotations

import functools
from collections.abc import Iterable

from hpmkd.data.source.tree import File

TABLES = (".parquet", ".arrow", ".npz", ".npy")
# Pillow knows these by name only, or needs other programs for them.
_STUBS = {".bufr", ".emf", ".grib", ".h5", ".hdf", ".mpeg", ".mpg", ".wmf"}
_TEXTS = {
    ".htm",
    ".html",
    ".ini",
    ".log",
    ".md",
    ".rst",
    ".rtf",
    ".tex",
    ".toml",
    ".txt",
    ".url",
    ".xml",
    ".yaml",
    ".yml",
}
_LISTS = {".cfg", ".csv", ".json", ".jsonl", ".names", ".tsv", ".xls", ".xlsx", ".md5", ".sha256"}
_WORK = {
    ".bat",
    ".bib",
    ".cache",
    ".css",
    ".db",
    ".doc",
    ".docx",
    ".ipynb",
    ".js",
    ".lock",
    ".pdf",
    ".ppt",
    ".pptx",
    ".py",
}
_OTHERS = _TEXTS | _LISTS | _WORK | {".py", ".sh", ".sha1", ".yaml", ".yml"}
_NAMES = {"authors", "changelog", "citation", "contributing", "copying", "license", "makefile", "notice", "readme"}


@functools.cache
def image_suffixes() -> frozenset[str]:
    """Suffixes of formats that Pillow can open."""
    from PIL import Image

    Image.init()
    known = Image.registered_extensions().items()
    return frozenset(suffix for suffix, kind in known if kind in Image.OPEN) - _STUBS - _OTHERS


def spelled(suffixes: Iterable[str]) -> set[str]:
    """Suffixes as people write them (`mp4`, `.MP4`, `*.mp4`) as `File.suffix` has them; an empty one: files without."""
    plain = (suffix.strip().lower().removeprefix("*").removeprefix(".") for suffix in suffixes)
    return {f".{suffix}" if suffix else "" for suffix in plain}


def is_image(file: File) -> bool:
    """Whether the file is called like an image."""
    return file.suffix in image_suffixes()


def is_other(file: File) -> bool:
    """Whether it is called like something that is no image: a text, a table, a page."""
    return file.suffix in _OTHERS or file.name.lower() in _NAMES
