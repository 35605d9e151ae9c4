"""Looks at every image of an inventory: decodes it, counts what it is, and names all that cannot be used. No torch."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from hpmkd.config.sweep import DataConfig, cache_folder
from hpmkd.data.pictures import SIXTEEN, Picture, Unreadable, from_array, from_bytes
from hpmkd.data.source.faults import REPLACE, SCALE, WRITE_AGAIN, Fault, unopened, unreadable_images
from hpmkd.data.source.inventory import PARTS, Content, Inventory, Item, Problem
from hpmkd.data.source.listing import count, listed
from hpmkd.data.source.tree import File
from hpmkd.data.spool import Spool, spool_for
from hpmkd.errors import EnvironmentProblem

_USUAL_SIZES = (28, 32, 64)
# Of 8 bits, what 14 of 16 bits become at most: three quarters or more of the grey levels would be lost.
_DARK = 2**6


@dataclass
class Seen:
    """What the images turned out to be."""

    modes: Counter[str] = field(default_factory=Counter)
    sizes: Counter[str] = field(default_factory=Counter)
    converted: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    brightest: int = 0  # of those that had 16 bits, as they are now

    def add(self, picture: Picture, where: str) -> None:
        size = f"{picture.size[0]}x{picture.size[1]}"
        self.modes[picture.mode] += 1
        self.sizes[size] += 1
        self.converted.update(picture.said)
        self.examples.setdefault(size, where)
        if SIXTEEN in picture.said and picture.pixels.size:
            self.examples.setdefault(SIXTEEN, where)
            self.brightest = max(self.brightest, picture.brightest)

    def usable(self, size: int | None) -> bool:
        """Whether all images so far can be used together."""
        if size is not None:
            return True
        width, height = next(iter(self.sizes), "0x0").split("x")
        return len(self.sizes) <= 1 and width == height


def decoded(inventory: Inventory, config: DataConfig) -> tuple[dict[str, Spool], Seen]:
    """The pixels of each part in order, and what was counted.

    Raises:
        EnvironmentProblem: names all images that cannot be read, or whose sizes differ.
    """
    seen, kept = Seen(), dict[str, Spool]()
    for name, item, content in _contents(inventory):
        usable = seen.usable(config.image_size)
        # Of images that cannot be used together only the sizes matter.
        picture = _picture(item, content, config.image_size, seen, header_only=not usable)
        if picture is not None and usable:
            kept = kept or _room_for(inventory, picture.pixels, config)
            kept[name].add(picture.pixels)
    if seen.faults:
        raise_faults(inventory, config)
    if not seen.usable(config.image_size):
        raise _sizes(inventory, seen)
    _not_dark(inventory, seen)
    return kept, seen


def _not_dark(inventory: Inventory, seen: Seen) -> None:
    """Images of 10 or 12 bits in files of 16 would be nearly black, with few of their grey levels left."""
    if seen.converted[SIXTEEN] and seen.brightest <= _DARK:
        raise EnvironmentProblem(
            f"{inventory.tree.source}: images of 16 bits that use a small part of their range",
            expected="values from 0 to 65535, which are scaled to 8 bits",
            found=f"{count(seen.converted[SIXTEEN], 'image')}, such as {seen.examples[SIXTEEN]}, none brighter than "
            f"{seen.brightest / 255:.1%} of that",
            todo="scale all of them by the range that they have, to 8 bits (values of 12 bits: x 255 / 4095)",
        )


def raise_faults(inventory: Inventory, config: DataConfig) -> None:
    """Decodes all images, keeps none, and raises an EnvironmentProblem that names those which cannot be read."""
    seen = Seen()
    for _, item, content in _contents(inventory):
        _picture(item, content, None, seen)
    if seen.faults:
        sizes = None if seen.usable(config.image_size) else _sizes(inventory, seen)
        raise unreadable_images(str(inventory.tree.source), inventory.images, seen.faults, besides=sizes)


def _contents(inventory: Inventory) -> Iterator[tuple[str, Item, Content]]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's, on images that it can read
        for name, part, _ in inventory.parts():
            for item, content in zip(part.items, part.contents(), strict=True):
                yield name, item, content


def _picture(item: Item, content: Content, size: int | None, seen: Seen, header_only: bool = False) -> Picture | None:
    """The decoded image, counted; None where it cannot be used, which is counted too."""
    referred = content if isinstance(content, File) and item.row is not None else None
    try:
        content = content.read() if isinstance(content, File) else content
    except (OSError, ValueError) as error:
        seen.faults.append(unopened(referred or item.file, error))
        return None
    try:
        if isinstance(content, Problem):
            raise Unreadable(str(content))
        made = from_array(content, size) if isinstance(content, np.ndarray) else from_bytes(content, size, header_only)
    except Unreadable as error:
        remedy = SCALE if error.range else REPLACE if referred or item.row is None else WRITE_AGAIN
        why = f"{error} ({referred.place})" if referred else str(error)
        seen.faults.append(Fault(item.file.place, why, remedy, item.row))
        return None
    seen.add(made, item.where)
    return made


def _room_for(inventory: Inventory, first: np.ndarray, config: DataConfig) -> dict[str, Spool]:
    """Where the images of each part go; the first of them tells how large they are, and any may be coloured."""
    size = 3 * first.shape[0] * first.shape[1] * inventory.images
    spools = spool_for(size, cache_folder(config), str(inventory.tree.source))
    return dict(zip(PARTS, spools, strict=True))


def _sizes(inventory: Inventory, seen: Seen) -> EnvironmentProblem:
    shorter = min(min(map(int, size.split("x"))) for size in seen.sizes)
    advice = max(size for size in _USUAL_SIZES if size <= max(shorter, _USUAL_SIZES[0]))
    lines = [
        f"{size}: {count(number, 'image')}, such as {seen.examples[size]}" for size, number in seen.sizes.most_common()
    ]
    what = "images that are not square" if len(seen.sizes) == 1 else f"images of {len(seen.sizes)} sizes"
    return EnvironmentProblem(
        f"{inventory.tree.source}: {what}",
        expected="square images of one size (width x height)",
        found=listed(lines),
        todo=f"have them resized, shorter side first, then the centre: --data.image_size {advice}",
    )
