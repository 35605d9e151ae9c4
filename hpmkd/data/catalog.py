"""The data sets that a sweep can name, and what is known about each before anything is read. No torch."""

from __future__ import annotations

import difflib
import pkgutil
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hpmkd.config.paths import user_path
from hpmkd.config.request import split_condition
from hpmkd.config.specs import DataSpec
from hpmkd.config.sweep import DataConfig
from hpmkd.data.conditions.catalog import canonical
from hpmkd.data.source.regular import what_else
from hpmkd.data.source.tree import stem
from hpmkd.errors import UsageError

if TYPE_CHECKING:
    from hpmkd.data.images import RawData

Reader = Callable[[DataConfig, "Dataset"], "RawData"]


@dataclass(frozen=True)
class Dataset:
    """A named data set: `reader` is `module:function`, imported only when images are needed.

    `images` counts the training images. For a user's own folder, numbers are 0 until it has been read; `content` is its
    identity, which its reader must find again.
    """

    name: str
    reader: str
    channels: int = 0
    image_size: int = 0
    classes: int = 0
    source: str | None = None
    images: int = 0
    content: str | None = None

    def known(self, meta: Mapping[str, Any], content: str | None) -> Dataset:
        """With what the sidecar of its decoded images says, and its identity."""
        shape = {key: meta[key] for key in ("channels", "image_size", "classes")}
        return replace(self, **shape, images=meta["train_images"], content=content)

    def spec(self, config: DataConfig) -> DataSpec:
        """As models see it, under no condition; of a user's own it has to be known."""
        augment = config.augment
        if augment == "auto":
            augment = "crop_flip" if self.channels == 3 else "none"
        shape = (self.channels, self.image_size, self.classes)
        return DataSpec(
            self.name, self.content or self.name, *shape, augment=augment,
            validation_fraction=config.validation_fraction, train_images=config.train_images,
            source=self.source, images=self.images,
        )  # fmt: skip

    def read(self, config: DataConfig) -> RawData:
        """All images and labels; EnvironmentProblem where they are missing or corrupt."""
        reader: Reader = pkgutil.resolve_name(self.reader)
        return reader(config, self)


def _entry(name: str, reader: str, channels: int, image_size: int, classes: int, images: int) -> tuple[str, Dataset]:
    return name, Dataset(name, reader, channels=channels, image_size=image_size, classes=classes, images=images)


DATASETS: dict[str, Dataset] = dict(
    [
        _entry("Digits", "hpmkd.data.digits:read", channels=1, image_size=28, classes=10, images=1_442),
        _entry("MNIST", "hpmkd.data.idx:read", channels=1, image_size=28, classes=10, images=60_000),
        _entry("FashionMNIST", "hpmkd.data.idx:read", channels=1, image_size=28, classes=10, images=60_000),
        _entry("CIFAR10", "hpmkd.data.cifar:read", channels=3, image_size=32, classes=10, images=50_000),
        _entry("CIFAR100", "hpmkd.data.cifar:read", channels=3, image_size=32, classes=100, images=50_000),
    ]
)


def safe_name(text: str) -> str:
    """A short name for files from a folder's name: letters, digits, dot and dash, at most 40 of them."""
    return re.sub(r"[^A-Za-z0-9.]+", "-", text).strip("-.")[:40]


def find(entry: str) -> Dataset:
    """The data set that an entry of `datasets` means: a known name, a folder, an archive or .npz file, or NAME=either.

    Raises:
        UsageError: neither a known name nor an existing folder or file, or a name that files cannot carry.
    """
    if entry in DATASETS:
        return DATASETS[entry]
    name, equals, folder = entry.partition("=")
    if not equals:
        name, folder = "", entry
    path = user_path(folder, f"datasets: {entry[:60]!r}")
    own = stem(path.resolve().name) if path.is_file() else path.resolve().name
    if not path.exists():
        close = difflib.get_close_matches(entry.casefold(), [known.casefold() for known in DATASETS], 1)
        match = next((known for known in DATASETS if close and known.casefold() == close[0]), None)
        raise UsageError(
            f"datasets: {entry!r} is neither a known data set nor a folder",
            expected="one of " + ", ".join(DATASETS) + ", a folder or archive with images, or NAME=folder",
            found="no such folder or file: " + str(path.absolute()),
            todo=f"did you mean {match}?" if match else "correct the name or the path",
        )
    _need_regular(entry, path)
    short = safe_name(name or own)
    if not short or short.casefold() in (known.casefold() for known in DATASETS) or (name and short != name):
        raise UsageError(
            f"datasets: {entry!r} cannot be used as a name in files",
            expected="letters, digits, dots and dashes, at most 40, and no name of a known data set",
            found=repr(name or own),
            todo=f"give it a name, for example my-images={folder}",
        )
    return Dataset(short, "hpmkd.data.folder:read", source=str(path.resolve()))


def _need_regular(entry: str, path: Path) -> None:
    """UsageError where nothing could be read twice, or without an end."""
    if kind := what_else(path):
        raise UsageError(
            f"datasets: {entry!r} is neither a folder nor a regular file",
            expected="a folder, an archive or an .npz file",
            found=kind,
            todo="write its content to a file, and name that",
        )


def find_all(entries: list[str]) -> list[tuple[Dataset, str | None]]:
    """The data set of every entry, and its condition, which is behind an @; None: as it is.

    Raises:
        UsageError: what `find` and `canonical` raise; two entries would share a name in files.
    """
    found = []
    for entry in entries:
        images, condition = split_condition(entry)
        if entry.endswith("@"):
            raise UsageError(
                f"datasets: {entry!r}: no condition behind the @", todo="add one such as n2500, or leave it out"
            )
        if condition and split_condition(images)[1]:
            first = images.rpartition("@")[0]
            raise UsageError(
                f"datasets: {entry!r} has more than one @",
                expected="one condition of a data set",
                todo=f"leave one of them out, or name two entries: {images} {first}@{condition}",
            )
        found.append((find(images), canonical(condition, entry)))
    _distinct(entries, found)
    return found


def _distinct(entries: list[str], found: list[tuple[Dataset, str | None]]) -> None:
    """UsageError where two data sets would share a name, or one comes twice under the same condition."""
    for place, (dataset, condition) in enumerate(found):
        for other, before in found[:place]:
            alike = dataset.name.casefold() == other.name.casefold()
            if alike and (condition == before or dataset.source != other.source):
                name, entry = dataset.name.casefold(), entries[place]
                raise UsageError(
                    f"datasets: two entries would both be called {name!r} in files",
                    found=", ".join(entries),
                    todo=f"give one a name, for example my-{name}={entry.partition('=')[2] or entry}, or leave it out",
                )
