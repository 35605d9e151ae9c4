"""Looks at every image of an inventory: decodes it, counts what it is, and names all that cannot be used. No torch."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from hpmkd.config.sweep import DataConfig, cache_folder
from hpmkd.data.decoders import Answer, Decoders, Entry
from hpmkd.data.pictures import SIXTEEN, Picture, Unreadable, from_array, from_bytes
from hpmkd.data.source.faults import REPLACE, SCALE, WRITE_AGAIN, Fault, unopened, unreadable_images
from hpmkd.data.source.inventory import PARTS, Inventory, Item, Problem
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
    with Decoders(config.image_size) as decoders:
        for found, answer in decoders.in_order(_found(inventory)):
            usable = decoders.wanted = seen.usable(config.image_size)
            # Of images that cannot be used together only the sizes matter.
            picture = _picture(found, config.image_size, seen, answer=answer, header_only=not usable)
            if picture is not None and usable:
                decoders.largest = max(decoders.largest, picture.pixels.nbytes)
                kept = kept or _room_for(inventory, picture.pixels, config)
                kept[found.part].add(picture.pixels)
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
    with Decoders(None) as decoders:
        for found, answer in decoders.in_order(_found(inventory)):
            picture = _picture(found, None, seen, answer=answer)
            decoders.largest = max(decoders.largest, 0 if picture is None else picture.pixels.nbytes)
    if seen.faults:
        sizes = None if seen.usable(config.image_size) else _sizes(inventory, seen)
        raise unreadable_images(str(inventory.tree.source), inventory.images, seen.faults, besides=sizes)


class _Found(NamedTuple):
    """An item as it was found: what it holds, or why it cannot be opened."""

    part: str
    item: Item
    content: bytes | np.ndarray | Problem | Exception
    referred: File | None  # the file that a row names

    @property
    def entry(self) -> Entry[_Found]:
        return Entry(self, self.content if isinstance(self.content, bytes) else None)


def _found(inventory: Inventory) -> Iterator[Entry[_Found]]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's, on images that it can read
        for name, part, _ in inventory.parts():
            for item, content in zip(part.items, part.contents(), strict=True):
                referred = content if isinstance(content, File) and item.row is not None else None
                yield _Found(name, item, _read(content) if isinstance(content, File) else content, referred).entry


def _read(file: File) -> bytes | Exception:
    try:
        return file.read()
    except (OSError, ValueError) as error:
        return error


def _picture(
    found: _Found, size: int | None, seen: Seen, answer: Answer | None, header_only: bool = False
) -> Picture | None:
    """The decoded image, counted; None where it cannot be used, which is counted too.

    Args:
        found: what the item holds.
        size: see `pictures.from_bytes`.
        seen: where it is counted.
        answer: what a helper made of it.
        header_only: see `pictures.from_bytes`; the answer, which is of the whole image, does not matter then.
    """
    item, content, referred = found.item, found.content, found.referred
    if isinstance(content, Exception):
        seen.faults.append(unopened(referred or item.file, content))
        return None
    try:
        if isinstance(content, Problem):
            raise Unreadable(str(content))
        if isinstance(content, np.ndarray):
            made = from_array(content, size)
        elif answer is None or header_only:
            made = from_bytes(content, size, header_only)
        elif isinstance(answer, Unreadable):
            raise answer
        else:
            made = answer
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
