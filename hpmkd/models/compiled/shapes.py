"""What the kernels of a network depend on."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Shape:
    """Images of `channels` x `side` x `side`, and the widths of the two convolutional layers."""

    channels: int
    side: int
    first: int
    second: int

    @property
    def side1(self) -> int:
        """Of the first layer's maps after pooling."""
        return (self.side - 4) // 2

    @property
    def side2(self) -> int:
        """Of the second layer's."""
        return (self.side1 - 4) // 2
