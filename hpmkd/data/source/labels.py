"""Labels as data sets have them -> classes 0 to K-1 with names. No torch."""

from __future__ import annotations

import math
import numbers
from collections import Counter
from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from hpmkd.config.sweep import DataConfig
from hpmkd.data.source.listing import listed, named, some_of
from hpmkd.data.source.spelling import composed, remarks, says_nothing
from hpmkd.errors import EnvironmentProblem


class Labelled(Protocol):
    """An item of the inventory, as far as it matters here."""

    @property
    def where(self) -> str: ...
    @property
    def label(self) -> Any: ...


@dataclass(frozen=True)
class Labelling:
    """The label of each training and test image, from 0 on; the classes' names; what was converted."""

    train: list[int]
    test: list[int]
    names: list[str]
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Value:
    """A label as a plain value, and how it was written."""

    value: int | str
    kind: str  # integer, float, text, one-hot
    width: int = 0
    written: str = ""  # a text as it stands there


def assign(
    source: str,
    train: Sequence[Labelled],
    test: Sequence[Labelled],
    config: DataConfig,
    *,
    names: Sequence[str] | None = None,
    folders: Iterable[str] = (),
) -> Labelling:
    """Classes in order of their number, or of their name.

    Args:
        source: the data set, for messages.
        train: the training items with their raw labels.
        test: the held-out items.
        config: whether classes may be without images.
        names: of a hub's schema: name of label 0, 1, ...
        folders: names of class folders, the empty ones too.

    Raises:
        EnvironmentProblem: labels that mean nothing, all of them; classes without images, all of them.
    """
    folders = set(folders)
    plain = _values(source, [*train, *test], folders)
    values, kinds = [one.value for one in plain], {one.kind for one in plain}
    notes = [text for kind, text in _SAID.items() if kind in kinds]
    if names is not None and kinds != {"text"}:
        _inside(source, [*train, *test], values, len(names))
    classes: list[int | str] = sorted({*values, *map(composed, folders)}, key=lambda value: (str(type(value)), value))
    notes += remarks({*folders, *(one.written for one in plain if one.kind == "text")})
    if kinds != {"text"} and classes != list(range(len(classes))):
        notes.append(_renumbered(classes, names))
    number = {value: position for position, value in enumerate(classes)}
    labels = [number[value] for value in values]
    called = [names[int(value)] if names is not None and kinds != {"text"} else str(value) for value in classes]
    found = Labelling(labels[: len(train)], labels[len(train) :], called, notes)
    _complete(source, found, config)
    return found


_SAID = {
    "float": "labels are stored as floats: read as the whole numbers that they are",
    "one-hot": "labels are one-hot: read as the place of the 1",
}


def _values(source: str, items: Sequence[Labelled], folders: Set[str]) -> list[_Value]:
    """Each label as a plain value, all of one kind; a folder may be called `NA`."""
    plain: list[_Value] = []
    problems: list[str] = []
    for item in items:
        is_folder = isinstance(item.label, str) and item.label in folders
        found = _text(item.label) if is_folder else _plain(item.label)
        if isinstance(found, str):
            problems.append(f"{item.where}: {found}")
        else:
            plain.append(found)
    if not problems and len({(value.kind == "text", value.width) for value in plain}) > 1:
        pairs = zip(reversed(items), reversed(plain), strict=True)
        first = {(one.kind, one.width): f"{item.where}: {one.value!r} ({one.kind})" for item, one in pairs}
        raise _unusable(source, list(first.values()), len(items), "labels of one kind")
    if problems:
        raise _unusable(source, problems, len(items), "whole numbers, names, or one-hot lists with exactly one 1")
    return plain


def _unusable(source: str, problems: list[str], total: int, expected: str) -> EnvironmentProblem:
    return EnvironmentProblem(
        f"{source}: {len(problems):,} of {total:,} labels cannot be used",
        expected=expected,
        found=listed(problems),
        todo="correct these labels, or remove their images",
    )


def _plain(label: Any) -> _Value | str:
    """A label as a number or a name; or what is wrong with it."""
    if isinstance(label, np.ndarray | list | tuple):
        return _from_list([*np.asarray(label, dtype=object).reshape(-1)] if _flat(label) else None)
    if isinstance(label, np.generic):
        label = label.item()
    if label is None or (isinstance(label, float) and math.isnan(label)):
        return "no label"
    if isinstance(label, bytes):
        label = label.decode("utf-8", "surrogateescape")
    if isinstance(label, str):
        if says_nothing(label):
            return f"no label ({label!r})" if label.strip() else "no label"
        return _text(label)
    if isinstance(label, numbers.Integral):
        return _Value(int(label), "integer")
    try:
        whole = int(label)
        return _Value(whole, "float") if whole == label else f"{label} is not a whole number"
    except OverflowError:
        return f"{label} is not a whole number"
    except (TypeError, ValueError):
        return f"a label of type {type(label).__name__}"


def _text(label: str) -> _Value:
    return _Value(composed(label), "text", written=label)


def _flat(label: Any) -> bool:
    if isinstance(label, np.ndarray):
        return label.ndim == 1
    return not any(isinstance(value, np.ndarray | list | tuple) for value in label)


def _from_list(values: list[Any] | None) -> _Value | str:
    """A list of one is its element; a longer one is one-hot."""
    if not values:
        return "a label that is an empty or nested list"
    if len(values) == 1:
        return _plain(values[0])
    try:
        ones = [place for place, value in enumerate(values) if value == 1]
        if len(ones) == 1 and all(value == 0 for place, value in enumerate(values) if place != ones[0]):
            return _Value(ones[0], "one-hot", len(values))
    except (TypeError, ValueError):
        pass
    return f"a list of {len(values)} that is not one-hot"


def _inside(source: str, items: Sequence[Labelled], values: Sequence[int | str], count: int) -> None:
    """Labels of a hub's schema are places in its list of names; -1 is the hub's mark for `no label`."""
    problems = [
        f"{item.where}: {value}" + " (the hub's mark for `no label`)" * (value == -1)
        for item, value in zip(items, values, strict=True)
        if not 0 <= int(value) < count
    ]
    if problems:
        raise _unusable(source, problems, len(items), f"labels 0 to {count - 1}, as the schema has {count} names")


def _renumbered(classes: Sequence[int | str], names: Sequence[str] | None) -> str:
    if names is not None:
        left_out = [name for place, name in enumerate(names) if place not in classes]
        lack = some_of(len(left_out), len(names), "class", "classes", verb="has")
        return f"{lack} no image and {'is' if len(left_out) == 1 else 'are'} left out: {named(left_out)}"
    return f"labels are not 0 to {len(classes) - 1} but {named(map(str, classes))}: numbered in this order"


def _complete(source: str, found: Labelling, config: DataConfig) -> None:
    """Every class has images in both parts, unless the config says that it need not; and there are two at least."""
    if len(found.names) < 2:
        raise EnvironmentProblem(
            f"{source}: images of one class only",
            expected="two classes or more",
            found=named(found.names) or "none",
            todo="correct the labels, or the folders that name them",
        )
    if config.allow_empty_classes:
        return
    counts = {"train": Counter(found.train), "test": Counter(found.test)}
    lines = [_lacking(name, *(counts[part][label] for part in counts)) for label, name in enumerate(found.names)]
    problems = [line for line in lines if line]
    alike = _almost_the_same(found.names, [bool(line) for line in lines])
    todo = "add them or remove the class, or accept it: --data.allow_empty_classes true"
    if alike:
        spaces = " or spaces at the ends" if any(name != name.strip() for same in alike for name in same) else ""
        pairs = named(" and ".join(map(_marked, same)) for same in alike)
        todo = f"only upper and lower case{spaces} differ in {pairs}: give each class the same name in both parts"
    if problems:
        raise EnvironmentProblem(
            f"{source}: {some_of(len(problems), len(found.names), 'class', 'classes', verb='lacks')} images",
            expected="training and test images of each class",
            found=listed(problems),
            todo=todo,
        )


def _marked(name: str) -> str:
    """In quotes where it has spaces at an end, which nobody would see."""
    return name if name == name.strip() else f"'{name}'"


def _almost_the_same(names: Sequence[str], lacking: Sequence[bool]) -> list[list[str]]:
    """Classes that lack images and would be one if upper and lower case, and spaces at the ends, did not matter."""
    found: dict[str, list[str]] = {}
    for name, lacks in zip(names, lacking, strict=True):
        if lacks:
            found.setdefault(name.strip().casefold(), []).append(name)
    return [same for same in found.values() if len(same) > 1]


def _lacking(name: str, train: int, test: int) -> str:
    if train and test:
        return ""
    if train or test:
        lacks, has = ("test", "training") if train else ("training", "test")
        return f"{_marked(name)}: no {lacks} images ({train or test:,} {has})"
    return f"{_marked(name)}: no images at all"
