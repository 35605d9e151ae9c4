"""Batches of augmented images, whole batches at a time on the data's device.

Order, crops and flips are a pure function of (seed, epoch), drawn on the CPU generator: the same on every device,
and a resumed run needs no saved random state.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from hpmkd.config.specs import OFFSETS, PAD, view_count
from hpmkd.data.source.images import Images

_LEAST = 16  # images that are evaluated at a time, however large they are


def epoch_generator(seed: int, epoch: int) -> torch.Generator:
    """A CPU generator whose stream depends on seed and epoch alone."""
    digest = hashlib.sha256(f"epoch:{seed}:{epoch}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "big") >> 1)


class Normalise:
    """uint8 `(N, H, W, C)` -> float `(N, C, H, W)` in channels_last, zero mean and unit variance per channel."""

    def __init__(self, mean: Tensor, std: Tensor, device: torch.device) -> None:
        self.scale = (1 / std).to(device)
        self.shift = (-mean / std).to(device)

    def __call__(self, pixels: Tensor) -> Tensor:
        width = pixels.shape[2]
        # Whole rows of W x C values fill the vector units, single pixels do not.
        rows = torch.addcmul(self.shift.repeat(width), pixels.float().flatten(2), self.scale.repeat(width))
        return rows.view(pixels.shape).permute(0, 3, 1, 2)


class Batch(NamedTuple):
    """Images float `(B, C, H, W)`, labels `(B,)`, which training images they are `(B,)`, and which view of each.

    A view is a number in `[0, views)`: the row of a logits cache is (view, image).
    """

    images: Tensor
    labels: Tensor
    which: Tensor
    view: Tensor


class TrainBatches:
    """Training batches of one data set.

    Args:
        images: the training part, already on the device.
        normalise: from uint8 to the network's input.
        augment: `none`, `crop` (random crop of the image padded by 4 black pixels) or `crop_flip`.
        batch_size: images per step; the last batch of an epoch holds the rest.
        views: number of crops and flips per image, drawn once (a function of this number alone); None: all there are.
    """

    def __init__(
        self, images: Images, normalise: Normalise, augment: str, batch_size: int, views: int | None = None
    ) -> None:
        self.images, self.labels, self.normalise, self.batch_size = images, images.labels, normalise, batch_size
        self.crop, self.flip = augment != "none", augment == "crop_flip"
        self.views = view_count(augment, views)
        self._ahead: tuple[tuple[int, int], tuple[Tensor, Tensor]] | None = None
        self.drawn = self._draw(view_count(augment, None)).to(images.labels.device)
        # Of images that lie in a mapped file the crops are made batch by batch.
        self._crops = _crops(images.pixels) if self.crop and images.places is None else None

    def _draw(self, every: int) -> Tensor:
        """The views of each image, `(N, views)`; `(0,)` where all are used, and a view is its own number."""
        if self.views == every:
            return torch.zeros(0, dtype=torch.int64)
        generator = epoch_generator(every, self.views)
        return torch.rand(len(self.labels), every, generator=generator).argsort(1)[:, : self.views].contiguous()

    def bounds(self) -> list[tuple[int, int]]:
        """Start and end of each batch; a last one of a single image joins the one before (BatchNorm needs two)."""
        count = len(self.labels)
        starts = list(range(0, count, self.batch_size))
        if len(starts) > 1 and count - starts[-1] == 1:
            starts.pop()
        return list(zip(starts, [*starts[1:], count], strict=True))

    def draws(self, seed: int, epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Which images `(B,)` in which views `(B,)` are each batch of an epoch: random order, random views."""
        ahead, self._ahead = self._ahead, None
        drawn = ahead[1] if ahead is not None and ahead[0] == (seed, epoch) else self._order(seed, epoch)
        order, view = (part.to(self.labels.device, non_blocking=True) for part in drawn)
        for start, end in self.bounds():
            yield order[start:end], view[start:end]

    def draw_ahead(self, seed: int, epoch: int) -> None:
        """Draws an epoch's order while a GPU still works on the epoch before, for which nobody has waited yet.

        The order lies in pinned memory, from which it is copied without waiting for the GPU. On a CPU there is nothing
        to gain.
        """
        if self.labels.device.type == "cuda":
            order, view = self._order(seed, epoch)
            self._ahead = ((seed, epoch), (order.pin_memory(), view.pin_memory()))

    def _order(self, seed: int, epoch: int) -> tuple[Tensor, Tensor]:
        """All images in random order and their views, `(N,)` each, on the CPU."""
        generator, count = epoch_generator(seed, epoch), len(self.labels)
        order = torch.randperm(count, generator=generator)
        view = torch.zeros_like(order)
        if self.drawn.numel():
            view = torch.randint(0, self.views, (count,), generator=generator)
        elif self.crop:
            dy, dx = torch.randint(0, OFFSETS, (2, count), generator=generator)
            view = dy * OFFSETS + dx
            if self.flip:
                view = view + OFFSETS**2 * (torch.rand(count, generator=generator) < 0.5)
        return order, view

    def take(self, index: Tensor, view: Tensor) -> Batch:
        """These training images in these views."""
        one = self.drawn[index, view] if self.drawn.numel() else view
        place = one % OFFSETS**2
        if not self.crop:
            pixels = self.images.rows(index)
        elif self._crops is not None:
            pixels = self._crops[index, place // OFFSETS, place % OFFSETS]
        else:
            each = torch.arange(len(index), device=index.device)
            pixels = _crops(self.images.rows(index))[each, place // OFFSETS, place % OFFSETS]
        if self.flip:
            pixels = _chosen(one >= OFFSETS**2, pixels.flip(2), pixels)
        return Batch(self.normalise(pixels), self.labels[index], index, view)


def _crops(pixels_NHWC: Tensor) -> Tensor:
    """A view of all crops of the images with a black border, (N, 9, 9, H, W, C): picking one is a single gather."""
    size = pixels_NHWC.shape[1]
    padded = F.pad(pixels_NHWC, (0, 0, PAD, PAD, PAD, PAD))
    return padded.unfold(1, size, 1).unfold(2, size, 1).permute(0, 1, 2, 4, 5, 3)


def _chosen(first_N: Tensor, one: Tensor, other: Tensor) -> Tensor:
    """Image by image one or the other, both uint8 `(N, H, W, C)`; eight bytes at a time where that comes out even."""
    left, right = one.flatten(1), other.flatten(1)
    if left.shape[1] % 8 == 0:
        left, right = left.view(torch.int64), right.view(torch.int64)
    return torch.where(first_N[:, None], left, right).view(torch.uint8).view(other.shape)


def soft_labels(labels_N: Tensor, classes: int, smoothing: float) -> Tensor:
    """Label smoothing, Szegedy et al. 2016, section 7: (1 - e) [k = y] + e / K, shape `(N, K)`."""
    return F.one_hot(labels_N, classes).float() * (1 - smoothing) + smoothing / classes


def mix_weights(seed: int, epoch: int, steps: int, strength: float) -> list[float]:
    """lambda ~ Beta(strength, strength) for each step of an epoch, a function of the arguments alone."""
    generator = np.random.default_rng([seed, epoch])
    return [float(value) for value in generator.beta(strength, strength, steps)]


def mix(images_NCHW: Tensor, labels_NK: Tensor, weight: float | Tensor) -> tuple[Tensor, Tensor]:
    """mixup, Zhang et al. 2018, section 2: each image with its mirror place in the batch, whose order is random.

    Student and teachers see the same mixed image, the setting that Beyer et al. 2022 (section 3.1) found best.
    """
    mixed = [weight * value + (1 - weight) * value.flip(0) for value in (images_NCHW, labels_NK)]
    return mixed[0], mixed[1]


def _at_a_time(images: Images) -> int:
    most = 2048 if images.device.type == "cuda" else 512
    return max(_LEAST, min(most, most * 32 * 32 // math.prod(images.pixels.shape[1:3])))


def plain_batches(
    images: Images, normalise: Normalise, batch_size: int | None = None
) -> Iterator[tuple[Tensor, Tensor]]:
    """All images once, in order, not augmented: for evaluation.

    Args:
        images: on the device where they are wanted.
        normalise: to the network's input.
        batch_size: default: 512 of up to 32x32 pixels, on a GPU 2,048, which has the same work done by a quarter of the
            launches; of larger ones as many as have the same number of pixels, since they would take more memory
            than training does.
    """
    batch_size = batch_size or _at_a_time(images)
    for start in range(0, len(images), batch_size):
        part = slice(start, start + batch_size)
        yield normalise(images.rows(part)), images.labels[part]
