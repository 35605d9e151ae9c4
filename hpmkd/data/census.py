"""The census of a data set: what is in it, what was converted, what was not used. No torch."""

from __future__ import annotations

import hashlib
import io
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from hpmkd.data.source.listing import count, named, shown, some_of
from hpmkd.data.source.parts import SPARE, WHY_SPARE

if TYPE_CHECKING:
    from hpmkd.data.images import RawData
    from hpmkd.data.source.images import Images

_MAX_CLASSES, _MAX_TILE = 100, 64
# Reasons to set a file aside that need not be said before each training.
_EXPECTED = ("hidden", "not an image by its suffix")


def census_of(raw: RawData) -> dict[str, Any]:
    """Everything that is known once the images are decoded, for JSON."""
    parts = {"train": raw.train, "test": raw.test}
    counts = {name: np.bincount(part.labels.numpy(), minlength=raw.classes).tolist() for name, part in parts.items()}
    known: dict[str, Any] = {
        "parts": {name: {"images": len(part)} for name, part in parts.items()},
        "classes": [
            {"name": str(label), **{name: counts[name][label] for name in parts}} for label in range(raw.classes)
        ],
    }
    height, width, channels = raw.train.pixels.shape[1:]
    return {**known, **raw.facts, "shape": [height, width, channels], "duplicates": duplicates(raw.train, raw.test)}


def duplicates(train: Images, test: Images) -> dict[str, int]:
    """How many images have the pixels of an earlier one in their part, and how many test images those of one for
    training.

    Pixels as they are used: the same picture saved under two names, or in two formats, is one. `contradicting`:
    training images whose pixels are those of an earlier one with another label.
    """
    first = {name: list(_hashes(part)) for name, part in (("train", train), ("test", test))}
    labels: dict[bytes, int] = {}
    contradicting = 0
    for one, label in zip(first["train"], train.labels.tolist(), strict=True):
        contradicting += labels.setdefault(one, label) != label
    return {
        "train": len(first["train"]) - len(labels),
        "test": len(first["test"]) - len(set(first["test"])),
        "between": sum(one in labels for one in first["test"]),
        "contradicting": contradicting,
    }


def _hashes(part: Images) -> Iterator[bytes]:
    for pixels in part.pixels.numpy():
        yield hashlib.blake2b(pixels.tobytes(), digest_size=16).digest()


def contact_sheet(raw: RawData) -> tuple[bytes, dict[str, Any]]:
    """A PNG with the first training image of each class (of the first hundred), and where in it they are.

    Returns:
        The file, and `{"columns", "tile", "classes"}`: class k lies in row k // columns, column k % columns, `tile`
        pixels wide and high. A class without training images has a white tile.
    """
    from PIL import Image

    labels, pixels = raw.train.labels.numpy(), raw.train.pixels.numpy()
    classes, size = min(raw.classes, _MAX_CLASSES), pixels.shape[1]
    tile, columns = min(size, _MAX_TILE), max(1, math.ceil(math.sqrt(classes)))
    mode = "L" if pixels.shape[3] == 1 else "RGB"
    sheet = Image.new(mode, (columns * tile, math.ceil(classes / columns) * tile), "white")
    for label in range(classes):
        places = np.flatnonzero(labels == label)
        if len(places):
            one = Image.fromarray(pixels[places[0]].squeeze(2) if mode == "L" else pixels[places[0]])
            place = (label % columns * tile, label // columns * tile)
            sheet.paste(one if tile == size else one.resize((tile, tile), Image.Resampling.BILINEAR), place)
    buffer = io.BytesIO()
    sheet.save(buffer, "PNG")
    return buffer.getvalue(), {"columns": columns, "tile": tile, "classes": classes}


def summary(name: str, census: Mapping[str, Any]) -> str:
    """The data set in one line."""
    train, test = (census["parts"][part]["images"] for part in ("train", "test"))
    height, width, channels = census["shape"]
    layout = f" ({census['layout']})" if "layout" in census else ""
    return (
        f"{name}: {train:,} training and {count(test, 'test image')} of {len(census['classes'])} classes, "
        f"{width}x{height} in {'grey' if channels == 1 else 'colour'}{layout}"
    )


def remarks(name: str, census: Mapping[str, Any], counted: bool = True) -> list[str]:
    """A line for each thing that a user should know; none for a clean data set.

    Args:
        name: of the data set.
        census: what is in it.
        counted: with what was converted or set aside, of which there are numbers; else that is shown in another way.
    """
    lines = [*census.get("notes", [])]
    lines += [f"{count(number, 'image')}: {what}" for what, number in census.get("converted", {}).items()] * counted
    for reason, about in census.get("ignored", {}).items():
        if reason.startswith(SPARE):
            lines.append(f"{reason.removeprefix(SPARE)} ({count(about['count'], 'file')}) is not used: {WHY_SPARE}")
        elif counted and reason not in _EXPECTED and (about["images"] or not reason.startswith("in no part")):
            images = count(about["images"], "image or table", "images or tables")
            what = f"{count(about['count'], 'file')} {reason} ({images})"
            lines.append(f"not used: {what}, such as {about['examples'][0]}")
    lines += _empty_classes(census["classes"])
    alike = census["duplicates"]
    if alike["between"]:
        lines.append(
            f"warning: {some_of(alike['between'], census['parts']['test']['images'], 'test image')} also among the "
            "training images (the same pixels), so test accuracy says less than it seems"
        )
    for part, words in (("train", "training image"), ("test", "test image")):
        if alike[part]:
            lines.append(f"{count(alike[part], words)} with the pixels of another {words}")
    if alike["contradicting"]:
        lines.append(f"{count(alike['contradicting'], 'training image')} with the pixels of one that has another label")
    return [shown(f"{name}: {line}") for line in lines]


def duplicate_counts(census: Mapping[str, Any]) -> list[str]:
    """What was counted of images with the same pixels, in words; none where there is none."""
    words = {
        "train": "training image like an earlier one",
        "test": "test image like an earlier one",
        "between": "test image like a training image",
        "contradicting": "training image like one of another class",
    }
    found = census["duplicates"]
    return [count(found[key], one, one.replace(" image ", " images ", 1)) for key, one in words.items() if found[key]]


def _empty_classes(classes: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """What it means that classes are without images in a part, which data.allow_empty_classes accepts."""
    meaning = {
        "train": ("training", "no network can learn to tell them"),
        "test": ("test", "test accuracy says nothing of them"),
    }
    for part, (words, consequence) in meaning.items():
        names = [str(one["name"]) for one in classes if not one[part]]
        if names:
            which = f"{len(names):,} of {count(len(classes), 'class', 'classes')} without {words} images"
            yield f"warning: {which}: {named(names)}; {consequence}"
