"""CIFAR-10 and CIFAR-100 through torchvision, which checks the published MD5 sums."""

from __future__ import annotations

from pathlib import Path

import torch
from torchvision import datasets

from hpmkd.config.sweep import DataConfig
from hpmkd.data.catalog import Dataset
from hpmkd.data.download import download_or_fail
from hpmkd.data.images import Images, RawData
from hpmkd.errors import EnvironmentProblem

_CLASSES = {"CIFAR10": datasets.CIFAR10, "CIFAR100": datasets.CIFAR100}


def read(config: DataConfig, dataset: Dataset) -> RawData:
    """Reads the published Python pickles from the data folder; torchvision verifies them first."""
    factory = _CLASSES[dataset.name]
    folder = Path(config.dir) / factory.base_folder
    if not folder.is_dir():
        found = "no such folder"
        download_or_fail(
            factory,
            dataset.name,
            config=config,
            where=str(folder),
            expected="the published Python version",
            found=found,
        )
    try:
        train, test = (_part(factory, config.dir, train) for train in (True, False))
    except (RuntimeError, OSError, EOFError) as error:
        raise EnvironmentProblem(
            f"{folder}: corrupt or incomplete {dataset.name}",
            expected="the published files with their MD5 sums",
            found=str(error).splitlines()[0],
            todo=f"delete {folder} and start again with a network connection, or copy an intact one there",
        ) from error
    return RawData(train, test, dataset.classes)


def _part(factory: type[datasets.CIFAR10], root: str, train: bool) -> Images:
    part = factory(root, train=train, download=False)
    return Images(torch.from_numpy(part.data), torch.tensor(part.targets))
