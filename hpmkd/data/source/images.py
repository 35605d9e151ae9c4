"""Images in memory, with their labels."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from hpmkd.data.source.mapped import Pages

_AT_A_TIME = 1000  # images of a mapped file that are copied to another device


@dataclass(frozen=True)
class Images:
    """Images `(N, H, W, C)` uint8 and labels `(N,)` int64.

    Channels last in memory: a gathered batch is then already in the layout that convolutions want.

    Args:
        pixels: of the images; where there are `places`, of more than these.
        labels: of the images.
        places: where their pixels lie in `pixels`, `(N,)`; None: one after the other. So a part of a file that is
            mapped into memory is not copied, and the workers of a machine share it.
        pages: of that file; None: the pixels lie in memory.
    """

    pixels: Tensor
    labels: Tensor
    places: Tensor | None = None
    pages: Pages | None = None

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def device(self) -> torch.device:
        """Where they lie."""
        return self.labels.device

    def rows(self, index: Tensor | slice) -> Tensor:
        """The pixels of the images at `index`."""
        where = index if self.places is None else self.places[index]
        if self.pages is None:
            return self.pixels[where]
        if isinstance(where, Tensor):
            return self.pages.gathered(self.pixels, where)
        found = self.pixels[where]  # one after the other: they are mapped when they are looked at
        self.pages.read(len(found))
        return found

    def take(self, index: Tensor, copy: bool = True) -> Images:
        """The images at `index`, in that order; without `copy` their pixels stay where they are."""
        if copy:
            return Images(self.rows(index), self.labels[index])
        places = index if self.places is None else self.places[index]
        return Images(self.pixels, self.labels[index], places, self.pages)

    def to(self, device: torch.device) -> Images:
        """The same on another device; on their own they stay as they are."""
        if device == self.device:
            return self
        if self.pages is None:
            return Images(self.rows(slice(None)).to(device), self.labels.to(device))
        pixels = torch.empty((len(self), *self.pixels.shape[1:]), dtype=self.pixels.dtype, device=device)
        for start in range(0, len(self), _AT_A_TIME):  # never a copy of all of them on this side
            part = slice(start, start + _AT_A_TIME)
            pixels[part] = self.rows(part).to(device)
        return Images(pixels, self.labels.to(device))
