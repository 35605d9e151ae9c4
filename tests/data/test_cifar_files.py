"""CIFAR as it is published, by path: archives and folders, both versions, and what can be wrong with them."""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from support.datasets import content, read, refusal
from support.published import (
    cifar10_python,
    cifar100_python,
    cifar_binary,
    cifar_images,
    folder,
    python2_pickle,
    tar,
)
from torchvision import datasets

from hpmkd.data.catalog import find
from hpmkd.data.layouts import published_sums

Files = Callable[[], Iterator[tuple[str, bytes]]]
VERSIONS: dict[str, tuple[Files, str]] = {
    "cifar-10-python.tar.gz": (cifar10_python, "cifar-10-batches-py"),
    "cifar-100-python.tar.gz": (cifar100_python, "cifar-100-python"),
    "cifar-10-binary.tar.gz": (partial(cifar_binary, 1), "cifar-10-batches-bin"),
    "cifar-100-binary.tar.gz": (partial(cifar_binary, 2), "cifar-100-binary"),
}


@pytest.mark.parametrize("name", VERSIONS)
def test_archive_and_folder_are_the_same_data(name: str, tmp_path: Path) -> None:
    files, inside = VERSIONS[name]
    packed, unpacked = tar(tmp_path / name, inside, files()), folder(tmp_path / inside, files())
    assert content(packed) == content(unpacked)
    raw = read(packed)
    assert raw.train.pixels.shape[1:] == (32, 32, 3)
    assert raw.classes == 3
    assert str(raw.facts["layout"]).startswith("published CIFAR files: CIFAR-10")
    assert find(str(packed)).name == name.removesuffix(".tar.gz")
    assert content(tmp_path / inside / ".." / inside) == content(packed)


def test_pixels_and_labels(tmp_path: Path) -> None:
    raw = read(folder(tmp_path / "cifar-100-python", cifar100_python()))
    for part, count in ((raw.train, 9), (raw.test, 6)):
        planes = cifar_images(count, count).reshape(-1, 3, 32, 32)
        assert np.array_equal(part.pixels.numpy(), planes.transpose(0, 2, 3, 1))
        assert part.labels.tolist() == [row % 3 for row in range(count)]
    assert [one["name"] for one in raw.facts["classes"]] == ["apple", "bear", "camel"]
    assert "labels are those of the 100 classes; not used: those of the 20 coarse ones" in raw.facts["notes"]


def test_the_batches_are_in_their_order(tmp_path: Path) -> None:
    raw = read(folder(tmp_path / "x", cifar10_python()))
    assert raw.train.labels.tolist() == [2, 0, 1] * 5
    assert [one["name"] for one in raw.facts["classes"]] == ["airplane", "automobile", "bird"]


def test_of_two_labels_the_second_is_the_class(tmp_path: Path) -> None:
    raw = read(folder(tmp_path / "cifar-100-binary", cifar_binary(2)))
    assert raw.train.labels.tolist() == [0, 1, 2]
    assert np.array_equal(raw.train.pixels[0, :, :, 0].flatten().numpy(), cifar_images(3)[0, :1024])


def test_the_sums_are_those_that_torchvision_has() -> None:
    for name, known in (("CIFAR-10", datasets.CIFAR10), ("CIFAR-100", datasets.CIFAR100)):
        version = f"{name} (Python version)"
        assert published_sums.ARCHIVES[version] == known.tgz_md5
        files = dict([*known.train_list, *known.test_list, [known.meta["filename"], known.meta["md5"]]])
        assert published_sums.FILES[version] == files


def test_what_is_said_of_sums(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packed = tar(tmp_path / "c.tar.gz", "cifar-100-python", cifar100_python())
    unpacked, version = folder(tmp_path / "cifar-100-python", cifar100_python()), "CIFAR-100 (Python version)"
    other = "warning: not the published CIFAR-100 (Python version): other MD5 sums of train, test, meta"
    assert read(packed).facts["notes"][0] == read(unpacked).facts["notes"][0] == other
    sums = {name: hashlib.md5(data).hexdigest() for name, data in cifar100_python()}
    monkeypatch.setitem(published_sums.FILES, version, sums)
    same = f"all 3 files have the MD5 sums of the published {version}"
    assert read(packed).facts["notes"][0] == read(unpacked).facts["notes"][0] == same
    monkeypatch.setitem(published_sums.ARCHIVES, version, hashlib.md5(packed.read_bytes()).hexdigest())
    assert read(packed).facts["notes"][0] == f"the MD5 sum is that of the published archive of {version}"


def test_what_is_said_of_the_binary_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packed = tar(tmp_path / "c.tar.gz", "cifar-100-binary", cifar_binary(2))
    unpacked = folder(tmp_path / "cifar-100-binary", cifar_binary(2))
    assert read(packed).facts["notes"][0].startswith("warning: not the published archive of CIFAR-100 (binary version)")
    assert "name the archive to have it checked" in read(unpacked).facts["notes"][0]


@pytest.mark.parametrize(
    ("name", "lost"), [("cifar-10-python.tar.gz", "data_batch_3"), ("cifar-100-python.tar.gz", "meta")]
)
def test_missing_files(name: str, lost: str, tmp_path: Path) -> None:
    files, inside = VERSIONS[name]
    said = refusal(tar(tmp_path / name, inside, ((one, data) for one, data in files() if one != lost)))
    assert f"missing: {lost}" in said
    assert "unpack the archive again" in said


def test_a_torn_archive(tmp_path: Path) -> None:
    packed = tar(tmp_path / "cifar-100-python.tar.gz", "cifar-100-python", cifar100_python())
    packed.write_bytes(packed.read_bytes()[:-5000])
    assert "cannot be read as an archive" in refusal(packed)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "damaged pickle"),
        (pickle.dumps({"data": print}, 2), "which no data set needs"),
        (python2_pickle({"fine_labels": [0]}), "no array 'data'"),
        (python2_pickle({"data": cifar_images(2)}), "no list 'fine_labels'"),
        (python2_pickle({"data": cifar_images(2), "fine_labels": ["x", "y"]}), "no list 'fine_labels'"),
        (python2_pickle({"data": cifar_images(2), "fine_labels": [0]}), "2 images, 1 labels"),
        (python2_pickle({"data": cifar_images(2)[:, :9], "fine_labels": [0, 1]}), "3,072 values for each image"),
        (python2_pickle({"data": cifar_images(3), "fine_labels": [0, 1, 9]}), "labels 0 to 2, as the schema"),
    ],
)
def test_files_of_the_python_version_that_are_something_else(data: bytes, said: str, tmp_path: Path) -> None:
    root = folder(tmp_path / "cifar-100-python", cifar100_python())
    (root / "train").write_bytes(data)
    assert said in refusal(root)


def test_torn_files_of_the_binary_version(tmp_path: Path) -> None:
    root = folder(tmp_path / "cifar-10-batches-bin", cifar_binary(1))
    (root / "data_batch_2.bin").write_bytes((root / "data_batch_2.bin").read_bytes()[:-1])
    said = refusal(root)
    assert "data_batch_2.bin: torn" in said
    assert "no whole number of records of 3,073 bytes" in said


@pytest.mark.parametrize("member", ["train", "meta"])
def test_a_file_of_the_folder_is_named(member: str, tmp_path: Path) -> None:
    root = folder(tmp_path / "cifar-100-python", cifar100_python())
    assert f"name that folder, for example my-images={root}" in refusal(root / member)


def test_the_matlab_version(tmp_path: Path) -> None:
    packed = tar(tmp_path / "cifar-100-matlab.tar.gz", "cifar-100-matlab", iter([("train.mat", b"x")]))
    assert "take the Python or the binary version" in refusal(packed)
