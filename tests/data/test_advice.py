"""What is said of folders that are no data set: each gets the advice that fits it."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.datasets import class_folders, image_folder, refusal, rows
from support.pictures import picture


def pictures(folder: Path) -> Path:
    folder.mkdir(parents=True)
    for number in range(3):
        (folder / f"{number}.png").write_bytes(picture(number))
    return folder.parent


def test_lists_without_the_names_of_their_columns(tmp_path: Path) -> None:
    pictures(tmp_path / "images")
    for part in ("train", "test"):
        (tmp_path / f"{part}.csv").write_text("images/0.png,cat\nimages/1.png,dog\n")
    said = refusal(tmp_path)
    assert "the first line of train.csv is 'images/0.png, cat'" in said
    assert "the first line of test.csv is" in said
    assert "a first line that names its columns: file,label" in said
    assert "folder per class" not in said


@pytest.mark.parametrize("folder", ["images", "train"])
def test_one_list_of_all_images(tmp_path: Path, folder: str) -> None:
    pictures(tmp_path / folder)
    (tmp_path / "labels.csv").write_text("filename,label\nimages/0.png,cat\n")
    (tmp_path / "other.csv").write_text("x,y\n1,2\n")
    said = refusal(tmp_path)
    assert "split labels.csv into train.csv and test.csv" in said
    assert "other.csv into" not in said


@pytest.mark.parametrize("name", ["MNIST", "FashionMNIST"])
def test_mnist_as_it_is_published_is_read_by_its_name(name: str, tmp_path: Path) -> None:
    raw = tmp_path / "a b" / name / "raw"
    raw.mkdir(parents=True)
    (raw / "t10k-images-idx3-ubyte.gz").write_bytes(b"x")
    for folder in (raw, raw.parent, raw.parents[1]):
        said = refusal(folder)
        assert "files as MNIST and FashionMNIST are published" in said
        assert f"what to do: name {name} instead, with --data-dir '{tmp_path}/a b'" in said
    moved = tmp_path / "mine"
    raw.rename(moved)
    assert "put its four files into DIR/MNIST/raw or DIR/FashionMNIST/raw" in refusal(moved)
    (moved / "t10k-images-idx3-ubyte.gz").rename(moved / "images-idx3-ubyte")
    assert "correct the path or the layout" in refusal(moved)


def test_class_folders_that_nobody_has_split(tmp_path: Path) -> None:
    class_folders(tmp_path, rows(6))
    said = refusal(tmp_path)
    assert "images in cat, dog, eel, but no training part" in said
    assert "make the folders train and test" in said
    assert "of each class move some images, such as every fifth, to test" in said


def test_class_folders_of_hidden_files(tmp_path: Path) -> None:
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "._1.png").write_bytes(picture(1))
    said = refusal(tmp_path)
    assert "2 hidden files in these folders" in said
    assert "begin with a dot" in said


def test_images_outside_of_class_folders_and_empty_parts(tmp_path: Path) -> None:
    pictures(tmp_path / "a" / "train")
    assert "images outside of class folders in train" in refusal(tmp_path / "a")
    (tmp_path / "b" / "train").mkdir(parents=True)
    assert "no files in train" in refusal(tmp_path / "b")
    assert "correct the path or the layout" in refusal(tmp_path / "b")


def test_of_several_data_sets_one_inside_is_named(tmp_path: Path) -> None:
    """Not the folder that was just refused."""
    for name in ("a", "b"):
        image_folder(tmp_path / name)
    assert f"what to do: name one of these folders, for example my-images={tmp_path / 'a'}" in refusal(tmp_path)
    image_folder(tmp_path)
    said = refusal(tmp_path)
    assert f"for example my-images={tmp_path / 'a'}; to use {tmp_path} itself, move the others away" in said
