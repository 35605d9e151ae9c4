"""NumPy files: one .npz with images and labels of both parts, one per part, or .npy files with the same names."""

from __future__ import annotations

import contextlib
import functools
import math
import re
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np

from hpmkd.config.sweep import DataConfig
from hpmkd.data.source.inventory import Content, Inventory, Item, Part, make
from hpmkd.data.source.listing import named
from hpmkd.data.source.parts import ANY_PART, WHY_SPARE, choose, part_of
from hpmkd.data.source.tree import File, Folder, Tree
from hpmkd.errors import EnvironmentProblem

NAME = "NumPy arrays"
_IMAGES, _LABELS = "images|image|imgs|x|data", "labels|label|y|targets|target"
_PART_FIRST = re.compile(rf"^({ANY_PART})[_-]?(?:({_IMAGES})|({_LABELS}))$", re.IGNORECASE)
_PART_LAST = re.compile(rf"^(?:({_IMAGES})|({_LABELS}))[_-]?({ANY_PART})$", re.IGNORECASE)
_ALONE = re.compile(rf"^(?:({_IMAGES})|({_LABELS}))$", re.IGNORECASE)
_CHUNK = 2**22  # bytes that are read at a time
_FAULTS = (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError)


class _Place(NamedTuple):
    """Where an array is: a file, and the key in it (None: the file is the array)."""

    file: File
    key: str | None

    def __str__(self) -> str:
        return f"{self.file.path}: {self.key}" if self.key else self.file.path


# Part as it is called -> images or labels -> every array of that name.
_Found = dict[str, dict[str, list[_Place]]]


def fits(tree: Tree, base: Folder) -> bool:
    """Whether there are arrays of a training part. A file that the user named is looked into in any case."""
    return _is_alone(tree, base) or any(part_of(name) == "train" for name in _find(base))


def _is_alone(tree: Tree, base: Folder) -> bool:
    return any(file.local == tree.source and file.suffix == ".npz" for file in base.files.values())


def take(tree: Tree, base: Folder, config: DataConfig) -> Inventory:
    """The inventory; EnvironmentProblem where arrays do not belong together."""
    for file in base.files.values():
        if file.suffix == ".npz":
            _open(file).close()
    found = _find(base)
    if not any(part_of(name) == "train" for name in found):
        raise EnvironmentProblem(
            f"{tree.source}: no training images",
            expected="arrays called train_images, train_labels, test_images, test_labels, or x_train, y_train, ...",
            found=named(key for file in base.files.values() if file.suffix == ".npz" for key in _keys(file)) or "none",
            todo="save the arrays under these names",
        )
    train_name, test_name, notes = choose(str(tree.source) if _is_alone(tree, base) else base.place, found)
    deep = [place for name in (train_name, test_name) for place in found[name].get("images", [])]
    largest = functools.cache(functools.partial(_largest, deep))
    parts = [_part(name, found[name], largest) for name in (train_name, test_name)]
    notes += [f"{name} is not used: {WHY_SPARE}" for name in found if name not in (train_name, test_name)]
    return make(tree, NAME, (parts[0], parts[1]), config, notes=notes)


def _find(base: Folder) -> _Found:
    found: _Found = {}
    for name, file in sorted(base.files.items()):
        stem = name.rpartition(".")[0]
        if file.local is None:
            continue
        if file.suffix == ".npy":
            _note(found, stem, _Place(file, None))
        elif file.suffix == ".npz":
            for key in _keys(file):
                alone = _ALONE.match(key)
                _note(found, f"{stem}_{key}" if alone and part_of(stem) else key, _Place(file, key))
    return found


def _note(found: _Found, text: str, place: _Place) -> None:
    if match := _PART_FIRST.match(text):
        found.setdefault(match[1], {}).setdefault("images" if match[2] else "labels", []).append(place)
    elif match := _PART_LAST.match(text):
        found.setdefault(match[3], {}).setdefault("images" if match[1] else "labels", []).append(place)


def _keys(file: File) -> list[str]:
    """The names of the arrays in a file; none where it cannot be opened."""
    try:
        with _open(file) as opened:
            return list(opened.files)
    except EnvironmentProblem:
        return []


def _open(file: File) -> np.lib.npyio.NpzFile:
    try:
        opened = np.load(str(file.local), allow_pickle=False)
    except _FAULTS as error:
        raise _corrupt(file, error) from error
    if not isinstance(opened, np.lib.npyio.NpzFile):
        raise _corrupt(file, ValueError("one array, not a file of several"))
    return opened


def _corrupt(file: File, error: Exception) -> EnvironmentProblem:
    return EnvironmentProblem(
        f"{file.place}: cannot be read as NumPy arrays",
        expected="arrays of numbers, saved by numpy.savez or numpy.save",
        found=f"{type(error).__name__}: {error}",
        todo="copy an intact file there, or save the arrays again without Python objects",
    )


@contextlib.contextmanager
def _opened(place: _Place) -> Iterator[tuple[IO[bytes], tuple[int, ...], bool, np.dtype[Any]]]:
    """The file of an array behind its header, and from this its shape, whether column follows column, and its kind."""
    header = {1: np.lib.format.read_array_header_1_0, 2: np.lib.format.read_array_header_2_0}
    with contextlib.ExitStack() as stack:
        file: IO[bytes] = stack.enter_context(Path(str(place.file.local)).open("rb"))
        if place.key is not None:
            file = stack.enter_context(stack.enter_context(zipfile.ZipFile(file)).open(f"{place.key}.npy"))
        yield file, *header[np.lib.format.read_magic(file)[0]](file)


def _shape(place: _Place) -> tuple[int, ...]:
    """From the array's header: the images need not be in memory to be counted."""
    try:
        with _opened(place) as (_, shape, _, _):
            return tuple(shape)
    except _FAULTS as error:
        raise _corrupt(place.file, error) from error


def _chunks(place: _Place) -> Iterator[np.ndarray]:
    """The images of an array, some at a time, unless they are not in memory one after the other."""
    try:
        with _opened(place) as (file, shape, by_column, kind):
            if by_column or kind.hasobject or not shape or 0 in shape:
                yield _array(place)
                return
            each = kind.itemsize * math.prod(shape[1:])
            for start in range(0, shape[0], most := max(1, _CHUNK // each)):
                wanted = each * min(most, shape[0] - start)
                if len(data := file.read(wanted)) < wanted:
                    raise EOFError(f"{shape[0]:,} images, of which some are missing")
                yield np.frombuffer(data, kind).reshape(-1, *shape[1:])
    except _FAULTS as error:
        raise _corrupt(place.file, error) from error


def _array(place: _Place) -> np.ndarray:
    try:
        if place.key is None:
            return np.asarray(np.load(str(place.file.local), allow_pickle=False))
        with _open(place.file) as opened:
            return np.asarray(opened[place.key])
    except _FAULTS as error:
        raise _corrupt(place.file, error) from error


def _largest(places: list[_Place]) -> int:
    """The largest value of all images of 16 bits. One image does not tell: it may be a dark one of deep ones."""
    deep = (chunk for place in places for chunk in _chunks(place) if chunk.dtype == np.uint16 and chunk.size)
    return max((int(chunk.max()) for chunk in deep), default=0)


def _part(name: str, found: Mapping[str, list[_Place]], largest: Callable[[], int]) -> Part:
    every = [place for places in found.values() for place in places]
    if len(found) < 2 or len(every) > 2:
        raise EnvironmentProblem(
            f"{every[0].file.place}: {' and '.join(found)} of {name} {'more than once' if len(every) > 2 else 'only'}",
            expected=f"one array of images and one of labels, such as {name}_images and {name}_labels",
            found=named(map(str, every)),
            todo="save both" if len(found) < 2 else "delete those that are not wanted",
        )
    (images,), (labels,) = found["images"], found["labels"]
    values, shape = _array(labels), _shape(images)
    if not shape or not values.shape or shape[0] != values.shape[0]:
        raise EnvironmentProblem(
            f"{images.file.place}: images and labels of {name} do not belong together",
            expected="as many labels as images",
            found=f"images {shape}, labels {values.shape}",
            todo="save them again, in the same order",
        )
    if len(shape) not in (3, 4):
        raise EnvironmentProblem(
            f"{images.file.place}: {name} has no images",
            expected="an array (images, height, width) or (images, height, width, channels)",
            found=named(map(str, shape)),
            todo="reshape it",
        )
    items = [Item(images.file, row, value) for row, value in enumerate(values.tolist())]

    def contents() -> Iterator[Content]:
        for chunk in _chunks(images):
            # As other whole numbers from 0 to 255.
            yield from chunk.astype(np.uint8) if chunk.dtype == np.uint16 and largest() <= 255 else chunk

    return Part(name, items, contents, list(dict.fromkeys([images.file, labels.file])))
