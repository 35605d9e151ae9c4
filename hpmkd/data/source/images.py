"""Images in memory, with their labels."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Images:
    """Images `(N, H, W, C)` uint8 and labels `(N,)` int64.

    Channels last in memory: a gathered batch is then already in the layout that convolutions want.

    Args:
        pixels: of the images; where there are `places`, of more than these.
        labels: of the images.
        places: where their pixels lie in `pixels`, `(N,)`; None: one after the other. So a part of a file that is
            mapped into memory is not copied, and the workers of a machine share it.
    """

    pixels: Tensor
    labels: Tensor
    places: Tensor | None = None

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def device(self) -> torch.device:
        """Where they lie."""
        return self.labels.device

    def rows(self, index: Tensor | slice) -> Tensor:
        """The pixels of the images at `index`."""
        return self.pixels[index if self.places is None else self.places[index]]

    def take(self, index: Tensor, copy: bool = True) -> Images:
        """The images at `index`, in that order; without `copy` their pixels stay where they are."""
        if copy:
            return Images(self.rows(index), self.labels[index])
        return Images(self.pixels, self.labels[index], index if self.places is None else self.places[index])

    def to(self, device: torch.device) -> Images:
        """The same on another device; on their own they stay as they are."""
        if device == self.device:
            return self
        return Images(self.rows(slice(None)).to(device), self.labels.to(device))
