"""Reads a user's own data set: decodes every image of its inventory once."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import torch

from hpmkd.config.sweep import DataConfig
from hpmkd.data.catalog import Dataset
from hpmkd.data.examine import decoded
from hpmkd.data.identity import identity
from hpmkd.data.images import RawData
from hpmkd.data.layouts.detect import take_inventory
from hpmkd.data.source.images import Images
from hpmkd.data.source.inventory import Inventory
from hpmkd.errors import EnvironmentProblem

_MANY_SIZES = 20
_TO_COLOUR = "grey among coloured ones: all are read as RGB"


def read(config: DataConfig, dataset: Dataset) -> RawData:
    """Decodes every image; EnvironmentProblem names all that cannot be read, or whose sizes differ."""
    inventory = take_inventory(Path(dataset.source or ""), config)
    raw = _raw(inventory, config)
    if dataset.content and identity(inventory, config) != dataset.content:
        raise EnvironmentProblem(
            f"{dataset.source}: the data set has changed since its images were counted",
            expected="files that stay as they are",
            todo="start the same command again when nothing writes there any more",
        )
    return raw


def _raw(inventory: Inventory, config: DataConfig) -> RawData:
    kept, seen = decoded(inventory, config)
    dimensions = kept["train"].dimensions + kept["test"].dimensions
    colour = dimensions[3] > 0
    if colour and dimensions[2]:
        seen.converted[_TO_COLOUR] = dimensions[2]
    parts = {
        name: Images(torch.from_numpy(kept.pop(name).stacked(colour)), torch.tensor(labels))
        for name, _, labels in inventory.parts()
    }
    facts = {**inventory.census(), "modes": dict(seen.modes.most_common()), "sizes": _most(seen.sizes)}
    facts["converted"] = dict(seen.converted.most_common())
    return RawData(parts["train"], parts["test"], len(inventory.labelling.names), facts)


def _most(sizes: Counter[str]) -> dict[str, int]:
    """The most common sizes; photographs may have as many as there are images."""
    rest = sizes.total() - sum(number for _, number in sizes.most_common(_MANY_SIZES))
    return dict(sizes.most_common(_MANY_SIZES)) | ({"others": rest} if rest else {})
