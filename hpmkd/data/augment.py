"""Batches of augmented images, whole batches at a time on the data's device.

Order, crops and flips are a pure function of (seed, epoch), drawn on the CPU generator: the same on every device,
and a resumed run needs no saved random state.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn import functional as F

from hpmkd.data.images import Images

_PAD = 4


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
        return torch.addcmul(self.shift, pixels.float(), self.scale).permute(0, 3, 1, 2)


class TrainBatches:
    """Training batches of one data set.

    Args:
        images: the training part, already on the device.
        normalise: from uint8 to the network's input.
        augment: `none`, `crop` (random crop of the image padded by 4 black pixels) or `crop_flip`.
        batch_size: images per step; the last batch of an epoch holds the rest.
    """

    def __init__(self, images: Images, normalise: Normalise, augment: str, batch_size: int) -> None:
        self.labels, self.normalise, self.batch_size = images.labels, normalise, batch_size
        self.crop, self.flip = augment != "none", augment == "crop_flip"
        self.pixels = images.pixels
        if self.crop:
            size = images.pixels.shape[1]
            padded = F.pad(images.pixels, (0, 0, _PAD, _PAD, _PAD, _PAD))
            # A view of all crops, (N, 9, 9, H, W, C): picking one is a single gather, nothing is copied here.
            self.pixels = padded.unfold(1, size, 1).unfold(2, size, 1).permute(0, 1, 2, 4, 5, 3)

    def bounds(self) -> list[tuple[int, int]]:
        """Start and end of each batch; a last one of a single image joins the one before (BatchNorm needs two)."""
        count = len(self.labels)
        starts = list(range(0, count, self.batch_size))
        if len(starts) > 1 and count - starts[-1] == 1:
            starts.pop()
        return list(zip(starts, [*starts[1:], count], strict=True))

    def epoch(self, seed: int, epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
        """The batches of one epoch: images float `(B, C, H, W)`, labels `(B,)`."""
        generator, count = epoch_generator(seed, epoch), len(self.labels)
        order = torch.randperm(count, generator=generator).to(self.labels.device)
        dy = dx = flips = order  # replaced below where they are used
        if self.crop:
            dy, dx = torch.randint(0, 2 * _PAD + 1, (2, count), generator=generator).to(order.device)
        if self.flip:
            flips = (torch.rand(count, generator=generator) < 0.5).to(order.device)
        for start, end in self.bounds():
            index = order[start:end]
            pixels = self.pixels[index, dy[start:end], dx[start:end]] if self.crop else self.pixels[index]
            if self.flip:
                pixels = torch.where(flips[start:end, None, None, None], pixels.flip(2), pixels)
            yield self.normalise(pixels), self.labels[index]


def plain_batches(images: Images, normalise: Normalise, batch_size: int = 512) -> Iterator[tuple[Tensor, Tensor]]:
    """All images once, in order, not augmented: for evaluation."""
    for start in range(0, len(images), batch_size):
        yield normalise(images.pixels[start : start + batch_size]), images.labels[start : start + batch_size]
