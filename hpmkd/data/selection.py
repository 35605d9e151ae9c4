"""What a sweep takes of its data sets: the images of each class that are trained on, after the split. No torch.

The split is torch's (see `data.images.split`), so the labels lie in its order beside the decoded images, and here they
only need to be counted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hpmkd.config.conditions import SUBSET, has_any, word_among
from hpmkd.config.specs import DataSpec
from hpmkd.data.conditions.base import Part
from hpmkd.data.conditions.catalog import parts
from hpmkd.data.source.listing import count, named, shown, some_of
from hpmkd.errors import UsageError

ORDER = ".npy"  # the suffix of the labels of the training part in the order of the split


@dataclass(frozen=True)
class Used:
    """Images per class, by its number: those that are trained on, and those kept for validation. Of wrong labels it is
    the true class that counts."""

    train: Sequence[int]
    validation: Sequence[int]


def used(spec: DataSpec, order: Path) -> Used | None:
    """What is used of a data set under its settings; None: it is not known, or the settings do not fit.

    Args:
        spec: of the data set.
        order: the file of its labels in the order of the split.
    """
    try:
        found = chosen(spec, order)
    except UsageError:
        return None
    if found is None:
        return None
    train, validation = (np.bincount(part.true, minlength=spec.classes).tolist() for part in found)
    return Used(train, validation) if len(train) == len(validation) == spec.classes else None


def chosen(spec: DataSpec, order: Path) -> tuple[Part, Part] | None:
    """Which images are trained on and kept for validation; None: it is not known.

    Raises:
        UsageError: there are fewer images than are asked for.
    """
    try:
        return parts(np.load(order, allow_pickle=False), spec)
    except (OSError, ValueError, TypeError, EOFError, IndexError):
        return None


def limit_of(spec: DataSpec) -> str:
    """How many of the training images are used, where data.train_images (a mode may set it) or the condition leaves
    some out; else empty."""
    there = spec.images - spec.kept_of(spec.images)
    if spec.train_images is None or spec.train_images >= there:
        return ""
    number = word_among(spec.condition, SUBSET)
    why = "data.train_images" if number is None else f"the condition {number}"
    kept = f"{spec.images - there:,} kept for validation"
    return f"{spec.label}: {some_of(spec.train_images, there, 'training image')} used ({why}; {kept})"


def amount_of(spec: DataSpec) -> str:
    """The same, said also where all of them are used; empty where their number is not known."""
    there = spec.images - spec.kept_of(spec.images)
    if limit := limit_of(spec):
        return limit
    kept = f"{spec.images - there:,} kept for validation"
    return f"{spec.label}: all {there:,} training images are used ({kept})" if spec.images else ""


def overruled(specs: Iterable[DataSpec], train_images: int) -> list[str]:
    """A line where the number in a condition stands in place of `data.train_images`."""
    labels = [spec.label for spec in specs if has_any(spec.condition, SUBSET) and spec.train_images != train_images]
    return [f"data.train_images: {train_images:,} is not for {named(labels)}: the condition counts"] if labels else []


def spread(found: Used) -> str:
    """`25 to 34 images of each class`."""
    least, most = min(found.train), max(found.train)
    return (
        f"{least:,} to {count(most, 'image')} of each class"
        if least < most
        else f"{count(most, 'image')} of each class"
    )


def untrained(label: str, found: Used, classes: Sequence[Mapping[str, Any]]) -> str:
    """A warning of classes that have training images, none of which are used; empty where there are none.

    Args:
        label: of the data set, with its condition.
        found: what is used of it.
        classes: of the census.
    """
    names = [str(one["name"]) for one, number in zip(classes, found.train, strict=False) if one["train"] and not number]
    if not names:
        return ""
    which = f"{len(names):,} of {count(len(classes), 'class', 'classes')}"
    return shown(
        f"{label}: warning: {which} without an image among the {sum(found.train):,} that are trained on: "
        f"{named(names)}; no network can learn to tell them (data.train_images, data.validation_fraction)"
    )


def twins(specs: Iterable[DataSpec]) -> list[str]:
    """A warning for each two data sets of a sweep that have the same images with the same labels."""
    names: dict[str, dict[str, str]] = {}
    for spec in specs:
        if spec.source is not None:
            names.setdefault(spec.content, {})[spec.name] = spec.source
    return [
        shown(
            f"warning: {' and '.join(same)} are the same data set: the same images with the same labels "
            f"({', '.join(dict.fromkeys(same.values()))}); results on one of them say nothing new about the other"
        )
        for same in names.values()
        if len(same) > 1
    ]
