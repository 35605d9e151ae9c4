"""The data sets of a sweep in its report: what is in them, and an image of each class, from the cache alone."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hpmkd.config.specs import DataSpec
from hpmkd.config.sweep import DataConfig
from hpmkd.data.cache import remembered
from hpmkd.data.census import remarks, summary
from hpmkd.data.listing import shown
from hpmkd.data.selection import ORDER, limit_of, untrained, used
from hpmkd.errors import HpmkdError
from hpmkd.numeric import whole

FOLDED = 30  # with more classes their images are shown on demand


@dataclass(frozen=True)
class ClassShown:
    """A class: its name, how many images it has, how many of these are trained on and kept for validation (empty: not
    known), and the first training image as a `data:` address, if there is one."""

    name: str
    train: str
    test: str
    image: str = ""
    used: str = ""
    validation: str = ""


@dataclass(frozen=True)
class DataShown:
    """A data set: one line, what should be known of it, its classes (all of them), and how many have no picture because
    the cache keeps those of the first only."""

    name: str
    summary: str
    remarks: tuple[str, ...]
    classes: tuple[ClassShown, ...]
    more: int

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
    found = (_dataset(spec, config) for spec in {spec.name: spec for spec in specs}.values())
    return [one for one in found if one is not None]


def _dataset(spec: DataSpec, config: DataConfig) -> DataShown | None:
    try:
        known = remembered(spec, config)
        if known is None:
            return None
        meta, picture = known
        census = meta["census"]
        found = used(spec, picture.with_suffix(ORDER))
        images = _tiles(picture, meta["pictures"], census)
        taken = {"used": found.train, "validation": found.validation} if found else {}
        classes = [
            ClassShown(
                shown(str(one["name"])),
                train=whole(one["train"]),
                test=whole(one["test"]),
                image=images.get(place, ""),
                **{name: whole(numbers[place]) for name, numbers in taken.items()},
            )
            for place, one in enumerate(census["classes"])
        ]
        limit = limit_of(spec)
        limits = [limit if found else f"{limit}; below are all images of each class"] if limit else []
        limits += [line] if found and (line := untrained(spec.label, found, census["classes"])) else []
        about = summary(spec.name, census), (*limits, *remarks(spec.name, census))
        shown_classes = [one for place, one in enumerate(classes) if place < meta["pictures"]["classes"]]
    except (HpmkdError, OSError, KeyError, TypeError, ValueError, AttributeError, ArithmeticError, IndexError):
        return None  # the cache is gone, or is not what it was: the report is about the models
    return DataShown(spec.name, *about, tuple(shown_classes), more=len(classes) - len(shown_classes))


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
