"""The inventory of a user's own data set: its images in a fixed order, each with its label. No torch.

Made once by a layout (see `layouts/`). Reader, identity, counts and errors all come from it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from hpmkd.config.sweep import DataConfig
from hpmkd.data.source.labels import Labelling, assign
from hpmkd.data.source.listing import count, named
from hpmkd.data.source.parts import SPARE, spare_part
from hpmkd.data.source.suffixes import TABLES, image_suffixes
from hpmkd.data.source.tree import File, Tree
from hpmkd.errors import EnvironmentProblem

PARTS = ("train", "test")
_LABELS = 6  # how many are named where they cannot be used


class Item(NamedTuple):
    """An image: the file, the row in it where it has rows, and its label as it stands there."""

    file: File
    row: int | None
    label: Any

    @property
    def where(self) -> str:
        """As messages name it."""
        return self.file.place if self.row is None else f"{self.file.place}, row {self.row}"


class Problem(str):
    """Why an item holds no image."""

    __slots__ = ()


# What an item holds: an encoded image, the file with one, pixels, or no image.
Content = bytes | File | np.ndarray | Problem


@dataclass
class Part:
    """The training or the held-out images.

    Args:
        name: how the data set calls the part (`train`, `Test`, `validation`).
        items: the images in order.
        contents: gives what each item holds, in the same order.
        sources: the files whose bytes are the images, in order.
        shards: of a table in several files: how many.
        lists: whether the items' files hold no image, but name the files that do.
    """

    name: str
    items: list[Item]
    contents: Callable[[], Iterator[Content]]
    sources: list[File]
    shards: int | None = None
    lists: bool = False

    def image_files(self) -> list[File]:
        """The files that hold the images, each once; of rows that refer to files, the table."""
        return self.read_files() if self.lists else list(dict.fromkeys(item.file for item in self.items))

    def read_files(self) -> list[File]:
        """The files whose bytes are read for the images, each once, without lists of them."""
        lists = {item.file for item in self.items} if self.lists else set()
        return [file for file in dict.fromkeys(self.sources) if file not in lists]


@dataclass
class Inventory:
    """A data set as it was found, and what was not used of it.

    Args:
        tree: its files.
        layout: the layout's name, for people.
        train: the training images.
        test: the held-out images.
        labelling: the labels as used, the classes' names.
        notes: what a user should know, a sentence each.
    """

    tree: Tree
    layout: str
    train: Part
    test: Part
    labelling: Labelling
    notes: list[str] = field(default_factory=list)

    def parts(self) -> Iterator[tuple[str, Part, list[int]]]:
        """Name, part and labels of training and held-out images."""
        yield "train", self.train, self.labelling.train
        yield "test", self.test, self.labelling.test

    @property
    def images(self) -> int:
        """How many there are in both parts."""
        return len(self.train.items) + len(self.test.items)

    def census(self) -> dict[str, Any]:
        """What is known before any image is decoded, for JSON."""
        used = [file for _, part, _ in self.parts() for file in part.image_files()]
        counts = [Counter(labels) for _, _, labels in self.parts()]
        return {
            "source": str(self.tree.source),
            "layout": self.layout,
            "parts": {
                name: {
                    "found_as": part.name,
                    "images": len(part.items),
                    "files": len(part.read_files()),
                }
                | ({"shards": part.shards} if part.shards else {})
                for name, part, _ in self.parts()
            },
            "suffixes": dict(Counter(file.suffix for file in dict.fromkeys(used)).most_common()),
            "ignored": {reason: _aside(paths) for reason, paths in sorted(self.tree.ignored.items())},
            "classes": [
                {"name": name, "train": counts[0][label], "test": counts[1][label]}
                for label, name in enumerate(self.labelling.names)
            ],
            "notes": [*self.notes, *self.labelling.notes],
        }


def _aside(paths: Sequence[str]) -> dict[str, Any]:
    """How many files, how many of them are called like images or tables, and the names of three, of these first."""
    wanted = (*image_suffixes(), *TABLES)
    images = [path for path in paths if path.lower().endswith(wanted)]
    return {"count": len(paths), "images": len(images), "examples": (sorted(images) or sorted(paths))[:3]}


def make(
    tree: Tree,
    layout: str,
    parts: tuple[Part, Part],
    config: DataConfig,
    *,
    notes: Iterable[str] = (),
    names: Sequence[str] | None = None,
    folders: Iterable[str] = (),
) -> Inventory:
    """An inventory of two parts: labels become classes, and every file that is in neither part is set aside.

    Args:
        tree: all files.
        layout: its name.
        parts: the training and the held-out images.
        config: what the user allows.
        notes: what a user should know.
        names: of classes, from a schema.
        folders: names of class folders.

    Raises:
        EnvironmentProblem: a part without images, labels that mean nothing, classes without images.
    """
    source = str(tree.source)
    for part in parts:
        if not part.items:
            raise EnvironmentProblem(
                f"{source}: no images in {part.name}", found=_set_aside(tree), todo="correct the data set"
            )
    train, test = parts
    try:
        labelling = assign(source, train.items, test.items, config, names=names, folders=folders)
    except EnvironmentProblem:
        tree.counted = [_counted(part) for part in parts]
        raise
    _set_others_aside(tree, {file.path for part in parts for file in part.sources})
    return Inventory(tree, layout, train, test, labelling=labelling, notes=list(notes))


def _counted(part: Part) -> str:
    """Its labels as they stand there, whatever they are."""
    kinds = Counter(str(item.label) for item in part.items)
    most = named((f"{label!r} {number:,}" for label, number in kinds.most_common()), _LABELS)
    return f"{part.name}: {count(len(part.items), 'image')} with {count(len(kinds), 'label')}: {most}"


def _set_others_aside(tree: Tree, used: set[str]) -> None:
    """Every file that is not used is set aside, unless it is used over a link, or by the name that a row has for it."""
    linked = {file.real for file in tree.top.every_file() if file.real and file.path in used}
    hidden = tree.ignored.pop("hidden", [])
    for path in hidden:
        if path not in used and not (linked and tree.real(path) in linked):
            tree.ignore("hidden", path)
    known = {path for paths in tree.ignored.values() for path in paths}
    own = {spare_part(path) for path in used}  # the validation part may be the held-out one
    for file in tree.top.every_file():
        if (
            file.path not in used
            and file.path not in known
            and not (linked and (file.real or tree.real(file.path)) in linked)
        ):
            spare = spare_part(file.path)
            is_spare = spare and spare not in own
            tree.ignore(f"{SPARE}{spare}" if is_spare else "in no part of the data set", file.path)


def _set_aside(tree: Tree) -> str:
    return "; ".join(f"{count(len(paths), 'file')} {reason}" for reason, paths in tree.ignored.items()) or "no files"
