"""NumPy files: one .npz with images and labels of both parts, one per part, or .npy files with the same names."""

from __future__ import annotations

import functools
import re
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from hpmkd.config.sweep import DataConfig
from hpmkd.data.inventory import Content, Inventory, Item, Part, make
from hpmkd.data.layouts.parts import ANY_PART, choose, part_of
from hpmkd.data.listing import named
from hpmkd.data.tree import File, Folder, Tree
from hpmkd.errors import EnvironmentProblem

NAME = "NumPy arrays"
_IMAGES, _LABELS = "images|image|imgs|x|data", "labels|label|y|targets|target"
_PART_FIRST = re.compile(rf"^({ANY_PART})[_-]?(?:({_IMAGES})|({_LABELS}))$", re.IGNORECASE)
_PART_LAST = re.compile(rf"^(?:({_IMAGES})|({_LABELS}))[_-]?({ANY_PART})$", re.IGNORECASE)
_ALONE = re.compile(rf"^(?:({_IMAGES})|({_LABELS}))$", re.IGNORECASE)
_FAULTS = (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError)

# Part as it is called -> (images or labels) -> file and key (None: the file is the array).
_Found = dict[str, dict[str, tuple[File, str | None]]]


def fits(tree: Tree, base: Folder) -> bool:
    """Whether there are arrays of a training part."""
    return any(part_of(name) == "train" for name in _find(base))


def take(tree: Tree, base: Folder, config: DataConfig) -> Inventory:
    """The inventory; EnvironmentProblem where arrays do not belong together."""
    found = _find(base)
    train_name, test_name, notes = choose(base.place, found)
    parts = [_part(name, found[name], notes) for name in (train_name, test_name)]
    for name in found.keys() - {train_name, test_name}:
        notes.append(f"the part {name} is not used")
    return make(tree, NAME, (parts[0], parts[1]), config, notes=notes)


def _find(base: Folder) -> _Found:
    found: _Found = {}
    for name, file in sorted(base.files.items()):
        stem = name.rpartition(".")[0]
        if file.local is None:
            continue
        if file.suffix == ".npy":
            _note(found, stem, file, None)
        elif file.suffix == ".npz":
            for key in _keys(file):
                alone = _ALONE.match(key)
                if alone and part_of(stem):
                    found.setdefault(stem, {}).setdefault("images" if alone[1] else "labels", (file, key))
                else:
                    _note(found, key, file, key)
    return {part: kinds for part, kinds in found.items() if "images" in kinds or "labels" in kinds}


def _note(found: _Found, text: str, file: File, key: str | None) -> None:
    if match := _PART_FIRST.match(text):
        found.setdefault(match[1], {}).setdefault("images" if match[2] else "labels", (file, key))
    elif match := _PART_LAST.match(text):
        found.setdefault(match[3], {}).setdefault("images" if match[1] else "labels", (file, key))


def _keys(file: File) -> list[str]:
    with _open(file) as opened:
        return list(opened.files) if isinstance(opened, np.lib.npyio.NpzFile) else []


def _open(file: File) -> Any:
    try:
        return np.load(str(file.local), allow_pickle=False)
    except _FAULTS as error:
        raise _corrupt(file, error) from error


def _corrupt(file: File, error: Exception) -> EnvironmentProblem:
    return EnvironmentProblem(
        f"{file.place}: cannot be read as NumPy arrays",
        expected="arrays of numbers, saved by numpy.savez or numpy.save",
        found=f"{type(error).__name__}: {error}",
        todo="copy an intact file there, or save the arrays again without Python objects",
    )


@functools.lru_cache(maxsize=1)
def _array(file: File, key: str | None) -> np.ndarray:
    try:
        if key is None:
            return np.asarray(np.load(str(file.local), allow_pickle=False))
        with _open(file) as opened:
            return np.asarray(opened[key])
    except _FAULTS as error:
        raise _corrupt(file, error) from error


def _part(name: str, found: Mapping[str, tuple[File, str | None]], notes: list[str]) -> Part:
    if len(found) < 2:
        ((kind, (file, _)),) = found.items()
        raise EnvironmentProblem(
            f"{file.place}: {kind} of {name} only",
            expected=f"arrays of images and labels, such as {name}_images and {name}_labels",
            found=kind,
            todo="save both",
        )
    (images, key), (labels, label_key) = found["images"], found["labels"]
    values = _array(labels, label_key)
    shape = _array(images, key).shape
    if not shape or not values.shape or shape[0] != values.shape[0]:
        raise EnvironmentProblem(
            f"{images.place}: images and labels of {name} do not belong together",
            expected="as many labels as images",
            found=f"images {shape}, labels {values.shape}",
            todo="save them again, in the same order",
        )
    if len(shape) not in (3, 4):
        raise EnvironmentProblem(
            f"{images.place}: {name} has no images",
            expected="an array (images, height, width) or (images, height, width, channels)",
            found=named(map(str, shape)),
            todo="reshape it",
        )
    items = [Item(images, row, value) for row, value in enumerate(values.tolist())]

    def contents() -> Iterator[Content]:
        yield from _array(images, key)

    return Part(name, items, contents, list(dict.fromkeys([images, labels])))
