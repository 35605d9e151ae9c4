"""The data sets of a sweep in its report: what is in them, and an image of each class, from the cache alone."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hpmkd.config.specs import DataSpec
from hpmkd.config.sweep import DataConfig
from hpmkd.data.cache import remembered
from hpmkd.data.census import remarks, summary
from hpmkd.data.realised import sentence
from hpmkd.data.selection import ORDER, Used, amount_of, limit_of, untrained, used
from hpmkd.data.source.listing import shown
from hpmkd.errors import HpmkdError
from hpmkd.numeric import whole

FOLDED = 30  # with more classes their images are shown on demand


@dataclass(frozen=True)
class ClassShown:
    """A class: its name, how many images it has, how many of these are trained on (under each condition, `130 / 30`)
    and kept for validation (empty: not known), and the first training image as a `data:` address, if there is one."""

    name: str
    train: str
    test: str
    image: str = ""
    used: str = ""
    validation: str = ""


@dataclass(frozen=True)
class DataShown:
    """A data set: one line, what should be known of it, its classes (all of them), and how many have no picture because
    the cache keeps those of the first only. `conditions`: its labels in the sweep (`Digits`, `Digits@n300`), where
    there are several."""

    name: str
    summary: str
    remarks: tuple[str, ...]
    classes: tuple[ClassShown, ...]
    more: int
    conditions: tuple[str, ...] = ()

    @property
    def is_used_known(self) -> bool:
        """Whether it is known how many images of each class are trained on."""
        return any(one.used for one in self.classes)

    @property
    def folded(self) -> bool:
        """Whether the classes would fill pages."""
        return len(self.classes) > FOLDED


def datasets_of(specs: Iterable[DataSpec], config: DataConfig | None) -> list[DataShown]:
    """Those that the cache still knows, in order; nothing is said of the others.

    Args:
        specs: of the sweep's models; several may be of one data set.
        config: where the cache lies; None: not known.
    """
    if config is None:
        return []
    named: dict[str, dict[str, DataSpec]] = {}
    for spec in specs:
        named.setdefault(spec.name, {})[spec.label] = spec
    found = (_dataset([*conditions.values()], config) for conditions in named.values())
    return [one for one in found if one is not None]


def _dataset(conditions: Sequence[DataSpec], config: DataConfig) -> DataShown | None:
    """Of a data set, as it is and under its conditions, whose split and validation images are the same."""
    spec = conditions[0]
    try:
        known = remembered(spec, config)
        if known is None:
            return None
        meta, picture = known
        census = meta["census"]
        parts = _used(conditions, picture.with_suffix(ORDER))
        columns = _distinct(conditions, parts)
        found = [part for _, part in columns]
        images = _tiles(picture, meta["pictures"], census)
        classes = [
            ClassShown(
                shown(str(one["name"])),
                train=whole(one["train"]),
                test=whole(one["test"]),
                image=images.get(place, ""),
                used=" / ".join(whole(part.train[place]) for part in found),
                validation=" / ".join(dict.fromkeys(whole(part.validation[place]) for part in found)),
            )
            for place, one in enumerate(census["classes"])
        ]
        said = [sentence(one) or (amount_of if len(conditions) > 1 else limit_of)(one) for one in conditions]
        limits = [line if found else f"{line}; below are all images of each class" for line in said if line]
        for one, part in zip(conditions, parts, strict=False):
            limits += [line] if (line := untrained(one.label, part, census["classes"])) else []
        about = summary(spec.name, census), (*limits, *remarks(spec.name, census))
        shown_classes = [one for place, one in enumerate(classes) if place < meta["pictures"]["classes"]]
    except (HpmkdError, OSError, KeyError, TypeError, ValueError, AttributeError, ArithmeticError, IndexError):
        return None  # the cache is gone, or is not what it was: the report is about the models
    labels = [label for label, _ in columns] or [one.label for one in conditions]
    names = tuple(labels) if len(labels) > 1 else ()
    more = len(classes) - len(shown_classes)
    return DataShown(spec.name, *about, tuple(shown_classes), more=more, conditions=names)


def _used(conditions: Sequence[DataSpec], order: Path) -> list[Used]:
    """What is used under each condition; nothing where it is not known of one."""
    parts = [used(one, order) for one in conditions]
    return [one for one in parts if one is not None] if None not in parts else []


def _distinct(conditions: Sequence[DataSpec], parts: Sequence[Used]) -> list[tuple[str, Used]]:
    """Each number of images per class once, with the label of the first condition that has it: wrong labels and clean
    teachers leave the images as they are."""
    found: dict[tuple[int, ...], tuple[str, Used]] = {}
    for one, part in zip(conditions, parts, strict=False):
        found.setdefault(tuple(part.train), (one.label, part))
    return list(found.values())


def _tiles(picture: Path, about: Mapping[str, int], census: Mapping[str, Any]) -> dict[int, str]:
    """By class the part of the cache's picture that shows it, see `census.contact_sheet`; none where it is damaged."""
    from PIL import Image

    tile, columns = about["tile"], about["columns"]
    try:
        with Image.open(picture) as opened:
            sheet = opened.convert(opened.mode)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return {}
    made = {}
    for place, one in enumerate(census["classes"][: about["classes"]]):
        if one["train"]:
            left, top = place % columns * tile, place // columns * tile
            buffer = io.BytesIO()
            sheet.crop((left, top, left + tile, top + tile)).save(buffer, "PNG")
            made[place] = f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"
    return made
