"""Where the published data sets lie in the data folder, and what is said of one that is not there. No torch."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from hpmkd.config.sweep import DataConfig
from hpmkd.errors import EnvironmentProblem

IDX_FILES = tuple(f"{part}-{kind}-ubyte" for part in ("train", "t10k") for kind in ("images-idx3", "labels-idx1"))
# The folder and the archive that torchvision makes and downloads.
CIFAR = {
    "CIFAR10": ("cifar-10-batches-py", "cifar-10-python.tar.gz"),
    "CIFAR100": ("cifar-100-python", "cifar-100-python.tar.gz"),
}


class Absent(NamedTuple):
    """A data set that is not there: where it was looked for, what should be there, what is."""

    name: str
    where: str
    expected: str
    found: str

    def problem(self, config: DataConfig, more: str = "") -> EnvironmentProblem:
        """The error for it, with how to fetch it; `more` follows what was found."""
        return EnvironmentProblem(
            f"{self.where}: {self.name} is not there",
            expected=self.expected,
            found=self.found + more,
            todo=f'on a machine with a network: python -c "from torchvision.datasets import {self.name}; '
            f"{self.name}('{config.dir}', download=True)\", or point --data-dir at a folder that has it",
        )


def idx_folder(name: str, config: DataConfig) -> Path:
    """Of MNIST or FashionMNIST: where its four files lie."""
    return Path(config.dir) / name / "raw"


def absent(name: str, config: DataConfig) -> Absent | None:
    """Whether files of a known data set are not in the data folder; None: they are there, or come with a package.

    Args:
        name: a known data set.
        config: where the data folder is. Nothing is read or downloaded.
    """
    if name in CIFAR:
        folder, packed = (Path(config.dir) / place for place in CIFAR[name])
        expected = f"the published Python version, unpacked or as {packed.name}"
        there = folder.is_dir() or packed.is_file()
        return None if there else Absent(name, str(folder), expected, found="no such folder")
    if name not in ("MNIST", "FashionMNIST"):
        return None
    raw = idx_folder(name, config)
    missing = [file for file in IDX_FILES if not (raw / file).exists() and not (raw / f"{file}.gz").exists()]
    expected = f"{raw}/{{{','.join(IDX_FILES)}}}, packed (.gz) or unpacked"
    return Absent(name, str(raw), expected, found=f"{len(missing)} of 4 files missing") if missing else None
