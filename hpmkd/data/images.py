"""What a reader returns, and the splits that a model trains on."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from hpmkd.config.specs import DataSpec
from hpmkd.data.conditions.base import Part
from hpmkd.data.conditions.catalog import parts
from hpmkd.data.source.images import Images
from hpmkd.errors import EnvironmentProblem

# Training images of more bytes are mapped into memory and never copied as a whole, so that the workers of a machine
# share them. Cutting crops out of each batch anew takes some time, so smaller ones are copied, with their border.
MAPPED_BYTES = 2**28
_COUNTED_BYTES = 2**24  # of images whose values are counted at a time, each as eight bytes


@dataclass(frozen=True)
class RawData:
    """A whole data set as its reader found it; `facts`: what the reader knows for the census (see `data/census.py`)."""

    train: Images
    test: Images
    classes: int
    facts: Mapping[str, Any] = field(default_factory=dict)

    def check(self, where: str) -> None:
        """EnvironmentProblem unless shapes agree, images are square and labels are 0..classes-1."""
        for name, part in (("train", self.train), ("test", self.test)):
            found = None
            if part.pixels.dtype != torch.uint8 or part.pixels.ndim != 4 or len(part.pixels) != len(part.labels):
                found = f"{name}: pixels {tuple(part.pixels.shape)}, labels {tuple(part.labels.shape)}"
            elif len(part) == 0:
                found = f"{name}: no images"
            elif part.pixels.shape[1] != part.pixels.shape[2]:
                found = f"{name}: images of {part.pixels.shape[2]}x{part.pixels.shape[1]} pixels"
            elif part.pixels.shape[1:] != self.train.pixels.shape[1:]:
                found = f"test images {tuple(part.pixels.shape[1:])}, train {tuple(self.train.pixels.shape[1:])}"
            elif int(part.labels.min()) < 0 or int(part.labels.max()) >= self.classes:
                found = f"{name}: labels {int(part.labels.min())} to {int(part.labels.max())}"
            if found:
                expected = f"square images of one size, labels 0 to {self.classes - 1}"
                raise EnvironmentProblem(
                    f"{where}: unusable data set", expected=expected, found=found, todo="correct the data set"
                )


@dataclass(frozen=True)
class Splits:
    """What one model sees: `mean` and `std` (C,) are those of the training part, for pixels in [0, 255].

    `chosen`: which images training and validation part have, and how they are labelled.
    """

    train: Images
    validation: Images
    test: Images
    mean: Tensor
    std: Tensor
    chosen: tuple[Part, Part] | None = None


def order_of(name: str, images: int) -> Tensor:
    """The random order of a data set's training images, first those for validation, `(images,)`."""
    seed = int.from_bytes(hashlib.sha256(f"validation:{name}".encode()).digest()[:8], "big") >> 1
    return torch.randperm(images, generator=torch.Generator().manual_seed(seed))


def split(raw: RawData, spec: DataSpec) -> Splits:
    """Training, validation and test parts, a pure function of the data and its spec.

    The validation part is drawn once per data set: its seed is the name, so every model of every sweep has the
    same one. `train_images` takes the first of the same random order, so smaller sets are inside larger ones. Then the
    condition is applied, if there is one; nothing of it reaches the test images.
    """
    copy = raw.train.pixels.numel() < MAPPED_BYTES
    order = order_of(spec.name, len(raw.train))
    found = parts(raw.train.labels[order].numpy(), spec)
    train, validation = (
        replace(raw.train.take(order[torch.from_numpy(one.places)], copy), labels=torch.from_numpy(one.given))
        for one in found
    )
    mean, std = _moments(train)
    return Splits(train, validation, test=raw.test, mean=mean, std=std, chosen=found)


def _moments(images: Images) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation per channel, from counts of the 256 values: exact, on any machine."""
    values = torch.arange(256, dtype=torch.float64)
    channels = images.pixels.shape[3]
    counted = torch.zeros(channels, 256, dtype=torch.int64)
    at_a_time = max(1, _COUNTED_BYTES // images.pixels[0].numel())
    for start in range(0, len(images), at_a_time):
        pixels = images.rows(slice(start, start + at_a_time))
        for channel in range(channels):
            counted[channel] += torch.bincount(pixels[..., channel].reshape(-1), minlength=256)
    means, stds = [], []
    for counts in counted.double():
        mean = (counts * values).sum() / counts.sum()
        variance = (counts * (values - mean) ** 2).sum() / counts.sum()
        means.append(mean)
        stds.append(variance.sqrt().clamp_min(1e-3))
    return torch.stack(means).float(), torch.stack(stds).float()
