"""Where the published data sets are looked for."""

from __future__ import annotations

from pathlib import Path

import pytest
from torchvision import datasets

from hpmkd.config.sweep import DataConfig
from hpmkd.data.published import CIFAR, IDX_FILES, absent


@pytest.mark.parametrize("name", ["MNIST", "FashionMNIST"])
def test_packed_or_unpacked_files(name: str, tmp_path: Path) -> None:
    assert [file for file, _ in getattr(datasets, name).resources] == [f"{file}.gz" for file in IDX_FILES]
    config, raw = DataConfig(dir=str(tmp_path)), tmp_path / name / "raw"
    raw.mkdir(parents=True)
    for number, file in enumerate(IDX_FILES):
        found = absent(name, config)
        assert found is not None
        assert (found.where, found.found) == (str(raw), f"{4 - number} of 4 files missing")
        (raw / (f"{file}.gz" if number % 2 else file)).touch()
    assert absent(name, config) is None


@pytest.mark.parametrize("name", ["CIFAR10", "CIFAR100"])
@pytest.mark.parametrize("place", [0, 1])
def test_a_folder_or_its_archive(name: str, place: int, tmp_path: Path) -> None:
    made = getattr(datasets, name)
    assert CIFAR[name] == (made.base_folder, made.filename)
    assert absent(name, DataConfig(dir=str(tmp_path)))
    path = tmp_path / CIFAR[name][place]
    if place:
        path.touch()
    else:
        path.mkdir()
    assert absent(name, DataConfig(dir=str(tmp_path))) is None


def test_digits_come_with_a_package(tmp_path: Path) -> None:
    assert absent("Digits", DataConfig(dir=str(tmp_path))) is None
