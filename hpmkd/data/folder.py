"""Reads a user's own data set: decodes every image of its inventory once."""

from __future__ import annotations

import warnings
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import psutil
import torch

from hpmkd.config.sweep import DataConfig
from hpmkd.data.catalog import Dataset
from hpmkd.data.images import Images, RawData
from hpmkd.data.inventory import Content, Inventory, Problem, identity, unreadable_images
from hpmkd.data.layouts.detect import take_inventory
from hpmkd.data.listing import count, listed
from hpmkd.data.pictures import SIXTEEN, Picture, Unreadable, from_array, from_bytes
from hpmkd.data.tree import File
from hpmkd.errors import EnvironmentProblem

_SMALL = 2**28  # bytes that are always there
_MANY_SIZES = 20
_USUAL_SIZES = (28, 32, 64)
# Of 8 bits, what 14 of 16 bits become at most: three quarters or more of the grey levels would be lost.
_DARK = 2**6
_TO_COLOUR = "grey among coloured ones: all are read as RGB"


def read(config: DataConfig, dataset: Dataset) -> RawData:
    """Decodes every image; EnvironmentProblem names all that cannot be read, or whose sizes differ."""
    inventory = take_inventory(Path(dataset.source or ""), config)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's, on images that it can read
        decoded = _decode(inventory, config)
    if dataset.content and identity(inventory, config) != dataset.content:
        raise EnvironmentProblem(
            f"{dataset.source}: the data set has changed since its images were counted",
            expected="files that stay as they are",
            todo="start the same command again when nothing writes there any more",
        )
    return decoded


@dataclass
class _Seen:
    """What the images turned out to be."""

    modes: Counter[str] = field(default_factory=Counter)
    sizes: Counter[str] = field(default_factory=Counter)
    converted: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    brightest: int = 0  # of those that had 16 bits, as they are now

    def add(self, picture: Picture, where: str) -> None:
        size = f"{picture.size[0]}x{picture.size[1]}"
        self.modes[picture.mode] += 1
        self.sizes[size] += 1
        self.converted.update(picture.said)
        self.examples.setdefault(size, where)
        if SIXTEEN in picture.said and picture.pixels.size:
            self.examples.setdefault(SIXTEEN, where)
            self.brightest = max(self.brightest, int(picture.pixels.max()))

    def usable(self, size: int | None) -> bool:
        """Whether all images so far can be used together."""
        if size is not None:
            return True
        width, height = next(iter(self.sizes), "0x0").split("x")
        return len(self.sizes) <= 1 and width == height


def _decode(inventory: Inventory, config: DataConfig) -> RawData:
    seen = _Seen()
    kept: dict[str, list[np.ndarray]] = {}
    total = len(inventory.train.items) + len(inventory.test.items)
    for name, part, _ in inventory.parts():
        kept[name] = []
        for item, content in zip(part.items, part.contents(), strict=True):
            usable = seen.usable(config.image_size)
            try:
                # Of images that cannot be used together only the sizes matter.
                picture = _picture(content, config.image_size, header_only=not usable)
            except Unreadable as error:
                referred = f" ({content.place})" if isinstance(content, File) and item.row is not None else ""
                seen.problems.append(f"{item.where}: {error}{referred}")
                continue
            seen.add(picture, item.where)
            if usable:
                if seen.modes.total() == 1:
                    _fits_in_memory(inventory, picture.pixels.nbytes * total)
                kept[name].append(picture.pixels)
    sizes = None if seen.usable(config.image_size) else _sizes(inventory, seen)
    if seen.problems:
        raise unreadable_images(inventory, seen.problems, besides=sizes)
    if sizes is not None:
        raise sizes
    _not_dark(inventory, seen)
    dimensions = Counter(array.ndim for part in kept.values() for array in part)
    colour = dimensions[3] > 0
    if colour and dimensions[2]:
        seen.converted[_TO_COLOUR] = dimensions[2]
    parts = {name: _stack(kept.pop(name), labels, colour) for name, _, labels in inventory.parts()}
    facts = {**inventory.census(), "modes": dict(seen.modes.most_common()), "sizes": _most(seen.sizes)}
    facts["converted"] = dict(seen.converted.most_common())
    return RawData(parts["train"], parts["test"], len(inventory.labelling.names), facts)


def _not_dark(inventory: Inventory, seen: _Seen) -> None:
    """Images of 10 or 12 bits in files of 16 would be nearly black, with few of their grey levels left."""
    if seen.converted[SIXTEEN] and seen.brightest <= _DARK:
        raise EnvironmentProblem(
            f"{inventory.tree.source}: images of 16 bits that use a small part of their range",
            expected="values from 0 to 65535, which are scaled to 8 bits",
            found=f"{count(seen.converted[SIXTEEN], 'image')}, such as {seen.examples[SIXTEEN]}, none brighter than "
            f"{seen.brightest / 255:.1%} of that",
            todo="scale all of them by the range that they have, to 8 bits (values of 12 bits: x 255 / 4095)",
        )


def _most(sizes: Counter[str]) -> dict[str, int]:
    """The most common sizes; photographs may have as many as there are images."""
    rest = sizes.total() - sum(number for _, number in sizes.most_common(_MANY_SIZES))
    return dict(sizes.most_common(_MANY_SIZES)) | ({"others": rest} if rest else {})


def _fits_in_memory(inventory: Inventory, size: int) -> None:
    """The system would kill this process without a word."""
    if size > _SMALL and size > (free := psutil.virtual_memory().available):
        raise EnvironmentProblem(
            f"{inventory.tree.source}: too large for the memory of this machine",
            expected=f"{size / 2**30:.1f} GiB for the decoded images",
            found=f"{free / 2**30:.1f} GiB",
            todo="have the images resized: --data.image_size 64",
        )


def _picture(content: Content, size: int | None, header_only: bool) -> Picture:
    if isinstance(content, Problem):
        raise Unreadable(str(content))
    if isinstance(content, np.ndarray):
        return from_array(content, size)
    if isinstance(content, File):
        try:
            content = content.read()
        except (OSError, ValueError) as error:
            raise Unreadable(getattr(error, "strerror", None) or str(error)) from error
    return from_bytes(content, size, header_only)


def _stack(arrays: list[np.ndarray], labels: list[int], colour: bool) -> Images:
    """All images of a part in one tensor; grey ones get three channels where there are coloured ones."""
    height, width = arrays[0].shape[:2]
    pixels = np.empty((len(arrays), height, width, 3 if colour else 1), dtype=np.uint8)
    for place in range(len(arrays)):
        array = arrays[place]
        pixels[place] = array if array.ndim == 3 else array[:, :, None]
        arrays[place] = pixels[place]  # frees the other copy
    return Images(torch.from_numpy(pixels), torch.tensor(labels))


def _sizes(inventory: Inventory, seen: _Seen) -> EnvironmentProblem:
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
