"""The bundled and the torchvision data sets: read, checked, and missed with a word on what to do."""

from __future__ import annotations

import gzip
import hashlib
import pickle
import shutil
import struct
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from hpmkd.config.sweep import DataConfig
from hpmkd.data import cifar, digits, idx
from hpmkd.data.catalog import DATASETS
from hpmkd.data.download import download_or_fail
from hpmkd.data.published import Absent
from hpmkd.errors import EnvironmentProblem


def test_digits_are_sklearns(cache_dir: Path) -> None:
    raw = digits.read(DataConfig(), DATASETS["Digits"])
    bundle = load_digits()
    assert len(raw.train) + len(raw.test) == len(bundle.target) == 1797
    assert raw.train.pixels.shape[1:] == (28, 28, 1)
    assert raw.train.pixels.dtype == torch.uint8
    for label in range(10):
        count = int((bundle.target == label).sum())
        assert abs(int((raw.test.labels == label).sum()) - count / 5) < 1
    again = digits.read(DataConfig(), DATASETS["Digits"])
    assert torch.equal(raw.test.pixels, again.test.pixels)
    # Enlarging keeps the mean brightness of the source, 0..16 spread to 0..255.
    mean = torch.cat([raw.train.pixels, raw.test.pixels]).double().mean()
    assert float(mean) == pytest.approx(bundle.images.mean() * 255 / 16, rel=0.02)


FILES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")


@pytest.fixture
def mnist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[DataConfig, Path, dict[str, np.ndarray]]:
    """Twenty and ten random images in MNIST's format, and tables of sums that fit them."""
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    chance, arrays, sums = np.random.default_rng(0), {}, {}
    for name in FILES:
        count = 20 if name.startswith("train") else 10
        shape = (count, 28, 28) if "images" in name else (count,)
        arrays[name] = chance.integers(0, 10, shape, dtype=np.uint8)
        header = struct.pack(f">{1 + len(shape)}I", 0x800 + len(shape), *shape)
        content = header + arrays[name].tobytes()
        (raw / name).write_bytes(content)
        sums[name] = hashlib.md5(content).hexdigest()
    monkeypatch.setattr(idx, "_COUNTS", {"train": 20, "t10k": 10})
    monkeypatch.setattr(idx, "_UNPACKED_MD5", {"MNIST": sums})
    return DataConfig(dir=str(tmp_path), download=False), raw, arrays


def pack(raw: Path) -> None:
    for name in FILES:
        (raw / f"{name}.gz").write_bytes(gzip.compress((raw / name).read_bytes()))
        (raw / name).unlink()


@pytest.mark.parametrize("packed", [False, True])
def test_mnist_packed_or_not(mnist: Any, packed: bool) -> None:
    config, raw, arrays = mnist
    if packed:
        pack(raw)
    before = sorted(path.name for path in raw.iterdir())
    data = idx.read(config, DATASETS["MNIST"])
    assert np.array_equal(data.train.pixels.squeeze(3).numpy(), arrays[FILES[0]])
    assert np.array_equal(data.test.labels.numpy(), arrays[FILES[3]])
    assert sorted(path.name for path in raw.iterdir()) == before, "the data folder was written to"


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("damage", ["flip", "cut", "empty"])
@pytest.mark.parametrize("name", FILES[:2])
def test_corrupt_mnist_is_named(mnist: Any, packed: bool, damage: str, name: str) -> None:
    config, raw, _ = mnist
    if packed:
        pack(raw)
    path = raw / (f"{name}.gz" if packed else name)
    data = bytearray(path.read_bytes())
    data[-12] ^= 1
    path.write_bytes({"flip": bytes(data), "cut": bytes(data[:-3]), "empty": b""}[damage])
    with pytest.raises(EnvironmentProblem, match=name) as caught:
        idx.read(config, DATASETS["MNIST"])
    assert caught.value.exit_code == 3
    assert "copy an intact one" in str(caught.value)


@pytest.mark.parametrize("name", ["MNIST", "FashionMNIST", "CIFAR10", "CIFAR100"])
def test_missing_data_without_a_network(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from torchvision import datasets

    def offline(*args: Any, **kwargs: Any) -> None:
        raise OSError("no route to host")

    for module in (idx, cifar):
        classes = module._CLASSES
        if name in classes:
            fake = type(name, (getattr(datasets, name),), {"__init__": offline})
            monkeypatch.setitem(classes, name, fake)
    for download in (False, True):
        config = DataConfig(dir=str(tmp_path), download=download)
        with pytest.raises(EnvironmentProblem, match=f"{name} is not there") as caught:
            DATASETS[name].read(config)
        message = str(caught.value)
        assert str(tmp_path) in message
        assert f"{name}('{tmp_path}', download=True)" in message
        assert ("no route to host" in message) == download


@pytest.fixture
def cifar10(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[DataConfig, Path, Any]:
    """Two made-up batches with sums that fit."""
    from torchvision import datasets

    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    chance, lists = np.random.default_rng(0), {"train": [], "test": []}
    contents: dict[str, Any] = {}
    for part, name in (("train", "data_batch_1"), ("test", "test_batch")):
        contents[name] = {"data": chance.integers(0, 256, (6, 3072), dtype=np.uint8), "labels": list(range(6))}
        (folder / name).write_bytes(pickle.dumps(contents[name]))
        lists[part].append([name, hashlib.md5((folder / name).read_bytes()).hexdigest()])
    (folder / "batches.meta").write_bytes(pickle.dumps({"label_names": [str(number) for number in range(10)]}))
    md5 = hashlib.md5((folder / "batches.meta").read_bytes()).hexdigest()
    meta = {"filename": "batches.meta", "key": "label_names", "md5": md5}
    values = {"train_list": lists["train"], "test_list": lists["test"], "meta": meta}
    monkeypatch.setitem(cifar._CLASSES, "CIFAR10", type("CIFAR10", (datasets.CIFAR10,), values))
    expected = contents["data_batch_1"]["data"].reshape(6, 3, 32, 32).transpose(0, 2, 3, 1)
    return DataConfig(dir=str(tmp_path), download=False), folder, expected


def test_cifar10_as_published(cifar10: Any) -> None:
    """As it should be; then one byte is wrong."""
    config, folder, expected = cifar10
    raw = DATASETS["CIFAR10"].read(config)
    assert np.array_equal(raw.train.pixels.numpy(), expected)
    assert raw.test.labels.tolist() == list(range(6))
    data = bytearray((folder / "test_batch").read_bytes())
    data[500] ^= 1
    (folder / "test_batch").write_bytes(data)
    with pytest.raises(EnvironmentProblem, match="corrupt or incomplete CIFAR10") as caught:
        DATASETS["CIFAR10"].read(config)
    assert caught.value.exit_code == 3


def test_cifar10_as_it_is_downloaded(cifar10: Any) -> None:
    """The archive that nobody has unpacked; nothing is written beside it."""
    config, folder, expected = cifar10
    path = folder.with_name("cifar-10-python.tar.gz")
    with tarfile.open(path, "w:gz") as archive:
        archive.add(folder, folder.name)
    shutil.rmtree(folder)
    raw = DATASETS["CIFAR10"].read(config)
    assert np.array_equal(raw.train.pixels.numpy(), expected)
    assert [one.name for one in path.parent.iterdir()] == [path.name]
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(EnvironmentProblem, match=r"cifar-10-python.tar.gz: corrupt or incomplete CIFAR10"):
        DATASETS["CIFAR10"].read(config)


@pytest.mark.parametrize("name", ["MNIST", "CIFAR10"])
def test_a_download_that_fails_leaves_no_empty_folder(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """torchvision makes them first; a folder that was there, or in which something came to lie, stays."""

    def fail(*_: object, **__: object) -> None:
        raise OSError("no route to host")

    for module in ("torchvision.datasets.mnist", "torchvision.datasets.utils", "torchvision.datasets.cifar"):
        monkeypatch.setattr(f"{module}.download_and_extract_archive", fail)
    reader = DATASETS[name].read
    mistyped = DataConfig(dir=str(tmp_path / "nowhere" / "data"), download=True)
    with pytest.raises(EnvironmentProblem, match="no route to host"):
        reader(mistyped)
    assert not list(tmp_path.iterdir())
    (tmp_path / "own").mkdir()
    with pytest.raises(EnvironmentProblem):
        reader(DataConfig(dir=str(tmp_path / "own"), download=True))
    assert (tmp_path / "own").is_dir()
    assert not list((tmp_path / "own").iterdir())


def test_what_a_download_has_begun_stays(tmp_path: Path) -> None:
    place = tmp_path / "made" / "MNIST" / "raw"

    def begun(*_: object, **__: object) -> None:
        (place / "empty").mkdir(parents=True)
        place.with_name("part").write_bytes(b"half")
        (place / "empty").rmdir()
        raise OSError("the line broke")

    config = DataConfig(dir=str(tmp_path / "made"), download=True)
    with pytest.raises(EnvironmentProblem, match="the line broke"):
        download_or_fail(begun, Absent("MNIST", str(place), "all", "none"), config)
    assert not place.exists()
    assert place.with_name("part").read_bytes() == b"half"
