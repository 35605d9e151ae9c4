"""Values that say what a model is made of: its data, its architecture, its recipe. No torch, all frozen."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class DataSpec:
    """One data set as a model sees it.

    `content` identifies the images and labels (hash of the source files, or a name whose content is checked by
    its reader). `source` is only where they lie now, so it is compared by nothing.
    """

    name: str
    content: str
    channels: int
    image_size: int
    classes: int
    augment: str
    validation_fraction: float
    train_images: int | None = None
    source: str | None = field(default=None, compare=False)


@dataclass(frozen=True)
class ModelSpec:
    """An architecture with its widths, and the shape of its input and output."""

    arch: str
    channels: tuple[int, ...]
    in_channels: int
    image_size: int
    classes: int


@dataclass(frozen=True)
class FitSpec:
    """A training recipe; the meaning of each field is that of `config.FitConfig`."""

    epochs: int
    batch_size: int
    optimizer: str
    lr: float
    momentum: float
    weight_decay: float
    schedule: str
    milestones: tuple[float, ...]
    gamma: float
    precision: str
    threads: int
