"""What an entry of `datasets` means."""

from __future__ import annotations

from pathlib import Path

import pytest

from hpmkd.data.catalog import DATASETS, find, find_all, safe_name
from hpmkd.errors import UsageError


def test_known_names() -> None:
    assert list(DATASETS) == ["Digits", "MNIST", "FashionMNIST", "CIFAR10", "CIFAR100"]
    assert find("CIFAR100").classes == 100


def test_folders_and_their_names(tmp_path: Path) -> None:
    folder = tmp_path / "my images (v2)"
    folder.mkdir()
    assert find(str(folder)).name == "my-images-v2"
    named = find(f"mine={folder}")
    assert (named.name, named.source) == ("mine", str(folder))


@pytest.mark.parametrize(
    ("entry", "match"),
    [
        ("cifar10", "did you mean CIFAR10"),
        ("./nothing", "no such folder"),
        ("CIFAR10={}", "cannot be used as a name"),
        ("mnist={}", "cannot be used as a name"),
        ("a/b={}", "cannot be used as a name"),
        ("a b={}", "cannot be used as a name"),
    ],
)
def test_entries_that_mean_nothing(entry: str, match: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=match) as caught:
        find(entry.format(tmp_path))
    assert caught.value.exit_code == 2


def test_two_folders_of_one_name(tmp_path: Path) -> None:
    folders = [tmp_path / part / "Images" for part in "ab"]
    for folder in folders:
        folder.mkdir(parents=True)
    with pytest.raises(UsageError, match="two entries"):
        find_all([str(folder) for folder in folders])
    assert [one.name for one, _ in find_all([str(folders[0]), f"other={folders[1]}"])] == ["Images", "other"]


def test_safe_names() -> None:
    assert safe_name("a/../b c_d.e") == "a-..-b-c-d.e"
    assert safe_name("..") == ""
    assert len(safe_name("x" * 100)) == 40
