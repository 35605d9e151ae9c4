"""CIFAR-10 and CIFAR-100 through torchvision, which checks the published MD5 sums."""

from __future__ import annotations

import gzip
import tarfile
import tempfile
import zlib
from pathlib import Path

import torch
from torchvision import datasets

from hpmkd.config.sweep import DataConfig
from hpmkd.data.catalog import Dataset
from hpmkd.data.download import download_or_fail
from hpmkd.data.images import RawData
from hpmkd.data.published import CIFAR, absent
from hpmkd.data.source.images import Images
from hpmkd.errors import EnvironmentProblem

_CLASSES = {"CIFAR10": datasets.CIFAR10, "CIFAR100": datasets.CIFAR100}


def read(config: DataConfig, dataset: Dataset) -> RawData:
    """Reads the published Python pickles from the data folder, unpacked or not; torchvision verifies them."""
    factory = _CLASSES[dataset.name]
    folder, packed = (Path(config.dir) / place for place in CIFAR[dataset.name])
    if not folder.is_dir() and packed.is_file():
        # Unpacked elsewhere: the data folder is not written to unless something has to be downloaded.
        with tempfile.TemporaryDirectory(prefix="hpmkd-cifar-") as scratch:
            _unpack(packed, dataset.name, Path(scratch))
            return _read(factory, dataset, scratch, packed)
    if missing := absent(dataset.name, config):
        download_or_fail(factory, missing, config)
    return _read(factory, dataset, config.dir, folder)


def _unpack(packed: Path, name: str, target: Path) -> None:
    try:
        with tarfile.open(packed) as archive:
            archive.extractall(target, filter="data")
    except (tarfile.TarError, gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise _corrupt(packed, name, f"{type(error).__name__}: {error}") from error


def _read(factory: type[datasets.CIFAR10], dataset: Dataset, root: str, place: Path) -> RawData:
    try:
        train, test = (_part(factory, root, train) for train in (True, False))
    except (RuntimeError, OSError, EOFError) as error:
        raise _corrupt(place, dataset.name, str(error).splitlines()[0]) from error
    return RawData(train, test, dataset.classes)


def _corrupt(place: Path, name: str, found: str) -> EnvironmentProblem:
    return EnvironmentProblem(
        f"{place}: corrupt or incomplete {name}",
        expected="the published files with their MD5 sums",
        found=found,
        todo=f"delete {place} and start again with a network connection, or copy an intact one there",
    )


def _part(factory: type[datasets.CIFAR10], root: str, train: bool) -> Images:
    part = factory(root, train=train, download=False)
    return Images(torch.from_numpy(part.data), torch.tensor(part.targets))
