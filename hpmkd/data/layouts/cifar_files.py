"""CIFAR-10 and CIFAR-100 as they are published, by path: the archives, and the folders that they unpack to. No torch.

Krizhevsky 2009, Learning Multiple Layers of Features from Tiny Images; formats: cs.toronto.edu/~kriz/cifar.html
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from hpmkd.config.sweep import DataConfig
from hpmkd.data.layouts.published_sums import said_of_sums
from hpmkd.data.layouts.safe_pickle import NotPlain, load
from hpmkd.data.source.inventory import Content, Inventory, Item, Part, make
from hpmkd.data.source.listing import named, some_of
from hpmkd.data.source.tree import File, Folder, Tree
from hpmkd.errors import EnvironmentProblem

NAME = "published CIFAR files"
_SIDE, _PIXELS = 32, 3 * 32 * 32
_BATCHES = tuple(f"data_batch_{number}" for number in range(1, 6))


@dataclass(frozen=True)
class _Version:
    """One of the published forms.

    Args:
        name: for people.
        train, test: its files, in order.
        names: the file with the names of the classes.
        key: of the names in that file, and of the labels in the others; of the binary form: empty.
        label: of the binary form: at which byte of a record the label is; the pixels follow the last label.
        folder: that the archive unpacks to.
    """

    name: str
    train: tuple[str, ...]
    test: str
    names: str
    folder: str
    key: tuple[str, str] = ("", "")
    label: int = 0

    @property
    def files(self) -> tuple[str, ...]:
        """All that are read."""
        return (*self.train, self.test, self.names)


_VERSIONS = (
    _Version(
        "CIFAR-10 (Python version)", _BATCHES, "test_batch", "batches.meta",
        folder="cifar-10-batches-py", key=("label_names", "labels"),
    ),
    _Version(
        "CIFAR-100 (Python version)", ("train",), "test", "meta",
        folder="cifar-100-python", key=("fine_label_names", "fine_labels"),
    ),
    _Version(
        "CIFAR-10 (binary version)", tuple(f"{name}.bin" for name in _BATCHES), "test_batch.bin", "batches.meta.txt",
        folder="cifar-10-batches-bin",
    ),
    _Version(
        "CIFAR-100 (binary version)", ("train.bin",), "test.bin", "fine_label_names.txt",
        folder="cifar-100-binary", label=1,
    ),
)  # fmt: skip
# Files by which nothing else is called; `train` and `test` alone say nothing.
_TELLING = {
    name for version in _VERSIONS for name in version.files if name.startswith(("data_", "test_", "batches", "fine_"))
}


def fits(tree: Tree, base: Folder) -> bool:
    """Whether there are some of the published files; one alone, by its own path, is none of a folder."""
    return tree.source not in (file.local for file in base.files.values()) and version_in(base) is not None


def version_in(base: Folder) -> _Version | None:
    """The version of which most files are there; None: none is."""
    found = [[name for name in version.files if name in base.files] for version in _VERSIONS]
    version, names = max(zip(_VERSIONS, found, strict=True), key=lambda pair: len(pair[1]))
    named_so = base.path.rpartition("/")[2] == version.folder or base.place.endswith(f"/{version.folder}")
    sure = named_so or len(names) > 1 or any(name in _TELLING for name in names)
    return version if names and sure else None


def take(tree: Tree, base: Folder, config: DataConfig) -> Inventory:
    """The inventory; EnvironmentProblem where files are missing, torn, or hold something else."""
    version = version_in(base)
    assert version is not None
    missing = [name for name in version.files if name not in base.files]
    if missing:
        raise EnvironmentProblem(
            f"{base.place}: {some_of(len(missing), len(version.files), 'file')} of {version.name} missing",
            expected=named(version.files),
            found=f"missing: {named(missing)}",
            todo="unpack the archive again, or name the archive itself",
        )
    files = {name: base.files[name] for name in version.files}
    notes = [said_of_sums(tree.source, version.name, files)]
    if version.name.startswith("CIFAR-100"):
        notes.append("labels are those of the 100 classes; not used: those of the 20 coarse ones")
    names = _names(version, files[version.names])
    parts = [
        _part(name, version, [files[one] for one in members])
        for name, members in (("train", version.train), ("test", (version.test,)))
    ]
    return make(tree, f"{NAME}: {version.name}", (parts[0], parts[1]), config, notes=notes, names=names)


def _names(version: _Version, file: File) -> list[str]:
    """The classes' names in the order of the labels."""
    data = _bytes(file)
    if not version.key[0]:
        return [line.strip() for line in data.decode("utf-8", "replace").splitlines() if line.strip()]
    found = _pickled(file, data).get(version.key[0])
    if not isinstance(found, list) or not all(isinstance(name, str | bytes) for name in found):
        raise _torn(file, version, f"no list {version.key[0]!r} of names")
    return [name.decode("latin-1") if isinstance(name, bytes) else name for name in found]


def _part(name: str, version: _Version, files: Sequence[File]) -> Part:
    items = [Item(file, row, label) for file in files for row, label in enumerate(_records(version, file)[1].tolist())]
    return Part(name, items, functools.partial(_contents, version, files), list(files))


def _contents(version: _Version, files: Sequence[File]) -> Iterator[Content]:
    for file in files:
        pixels, _ = _records(version, file)
        yield from pixels.reshape(-1, 3, _SIDE, _SIDE).transpose(0, 2, 3, 1)  # published plane by plane: red first


def _records(version: _Version, file: File) -> tuple[np.ndarray, np.ndarray]:
    """Pixels `(N, 3072)` uint8 and labels `(N,)` of a file."""
    data = _bytes(file)
    if version.key[1]:
        found = _pickled(file, data)
        pixels, labels = found.get("data"), found.get(version.key[1])
        if not isinstance(pixels, np.ndarray) or pixels.ndim != 2 or pixels.shape[1] != _PIXELS:
            raise _torn(file, version, f"no array 'data' of {_PIXELS:,} values for each image")
        if not isinstance(labels, list) or not all(type(label) is int for label in labels):
            raise _torn(file, version, f"no list {version.key[1]!r} of whole numbers")
        if len(labels) != len(pixels):
            raise _torn(file, version, f"{len(pixels):,} images, {len(labels):,} labels")
        return pixels, np.array(labels)
    width = version.label + 1 + _PIXELS
    if not data or len(data) % width:
        raise _torn(file, version, f"{len(data):,} bytes, which are no whole number of records of {width:,} bytes")
    records = np.frombuffer(data, np.uint8).reshape(-1, width)
    return records[:, version.label + 1 :], records[:, version.label].astype(np.int64)


def _bytes(file: File) -> bytes:
    try:
        return file.read()
    except OSError as error:
        raise EnvironmentProblem(
            f"{file.place}: cannot be read", expected="a file of CIFAR", found=error.strerror or str(error),
            todo="correct its permissions, or copy an intact one there",
        ) from error  # fmt: skip


def _pickled(file: File, data: bytes) -> dict[str, object]:
    try:
        return load(data)
    except NotPlain as error:
        raise EnvironmentProblem(
            f"{file.place}: not read as a file of CIFAR",
            expected="a pickle of an array of bytes with its labels, and nothing else: other pickles can run programs",
            found=str(error),
            todo="take the published archive, and open this file nowhere else unless you know who has made it",
        ) from error


def _torn(file: File, version: _Version, found: str) -> EnvironmentProblem:
    return EnvironmentProblem(
        f"{file.place}: torn, or no file of {version.name}",
        expected="the published file",
        found=found,
        todo="unpack the archive again, or copy an intact one there",
    )
