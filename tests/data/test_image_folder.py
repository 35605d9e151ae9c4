"""Class folders as they come out of cameras, archives, notebooks and file managers."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from support.datasets import class_folders, content, image_folder, read, refusal, rename_to_latin1, rows
from support.pictures import picture

from hpmkd.data.census import census_of, remarks
from hpmkd.data.source.parts import spare_part


def test_hidden_files_and_folders_are_no_data(tmp_path: Path) -> None:
    image_folder(tmp_path)
    before = content(tmp_path)
    for part in ("train", "test"):
        (tmp_path / part / ".ipynb_checkpoints").mkdir()
        shutil.copy(tmp_path / part / "cat" / "000.png", tmp_path / part / ".ipynb_checkpoints" / "000-checkpoint.png")
        (tmp_path / part / "cat" / "._000.png").write_bytes(b"\0\5\26\7")
        (tmp_path / part / "cat" / ".DS_Store").write_bytes(b"x")
        (tmp_path / part / "@eaDir").mkdir()
        (tmp_path / part / "@eaDir" / "a.png").write_bytes(b"x")
    (tmp_path / "__MACOSX" / "train").mkdir(parents=True)
    (tmp_path / "__MACOSX" / "train" / "a.png").write_bytes(b"x")
    raw = read(tmp_path)
    assert (len(raw.train), raw.classes) == (9, 3)
    assert raw.facts["ignored"]["hidden"]["count"] == 9
    assert content(tmp_path) == before


def test_files_that_nobody_reads_change_nothing(tmp_path: Path) -> None:
    image_folder(tmp_path)
    before = content(tmp_path)
    for name in (
        "README.md",
        "train/labels.csv",
        "train/cat/Thumbs.db",
        "test/dog/notes.txt",
        "LICENSE",
        "other/x.bin",
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x")
    assert content(tmp_path) == before
    ignored = read(tmp_path).facts["ignored"]
    assert ignored["not an image by its suffix"]["count"] == 2
    assert ignored["in no part of the data set"]["count"] == 4


@pytest.mark.parametrize(
    "parts",
    [
        ("train", "val"),
        ("train", "valid"),
        ("train", "validation"),
        ("Train", "Test"),
        ("TRAINING", "Val"),
        ("training", "testing"),
    ],
)
def test_names_of_the_parts(tmp_path: Path, parts: tuple[str, str]) -> None:
    raw = read(image_folder(tmp_path, parts))
    assert (len(raw.train), len(raw.test)) == (9, 6)
    assert raw.facts["parts"]["test"]["found_as"] == parts[1]
    assert bool(raw.facts["notes"]) == parts[1].lower().startswith("val")


def test_a_validation_part_beside_a_test_part_is_named(tmp_path: Path) -> None:
    image_folder(tmp_path)
    before = content(tmp_path)
    class_folders(tmp_path / "val", rows(5))
    assert content(tmp_path) == before
    assert read(tmp_path).facts["ignored"]["not used beside the test part: val/"] == {
        "count": 5, "images": 5, "examples": ["val/cat/000.png", "val/cat/003.png", "val/dog/001.png"],
    }  # fmt: skip
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "a.png").write_bytes(picture(1))
    assert remarks("x", census_of(read(tmp_path))) == [
        "x: not used: 1 file in no part of the data set (1 image or table), such as other/a.png",
        "x: val/ (5 files) is not used: images for validation are taken from the training part "
        "(data.validation_fraction)",
    ]


@pytest.mark.parametrize(
    ("path", "part"),
    [
        ("val/cat/1.png", "val/"),
        ("pets/Validation/cat/1.png", "pets/Validation/"),
        ("data/validation-00000-of-00001.parquet", "data/validation-00000-of-00001.parquet"),
        ("val.csv", "val.csv"),
        ("x-valid.arrow", "x-valid.arrow"),
        ("value/1.png", ""),
        ("interval/1.png", ""),
        ("test/cat/1.png", ""),
    ],
)
def test_files_of_a_validation_part(path: str, part: str) -> None:
    assert spare_part(path) == part


@pytest.mark.parametrize("place", ["Animals-10", "archive/Animals-10"])
def test_nested(tmp_path: Path, place: str) -> None:
    image_folder(tmp_path / place)
    (tmp_path / "readme.txt").write_text("x")
    assert len(read(tmp_path).train) == 9


def test_two_data_sets_in_one_folder_are_named(tmp_path: Path) -> None:
    for name in ("a", "b"):
        image_folder(tmp_path / name)
    said = refusal(tmp_path)
    assert "more than one data set" in said
    assert f"{tmp_path / 'a'}: image folders" in said
    assert f"my-images={tmp_path / 'a'}" in said
    assert len(read(tmp_path / "a").train) == 9


def test_a_class_that_is_called_train(tmp_path: Path) -> None:
    raw = read(image_folder(tmp_path, names=("car", "plane", "train")))
    assert [one["name"] for one in raw.facts["classes"]] == ["car", "plane", "train"]


def test_two_folders_for_a_part(tmp_path: Path) -> None:
    image_folder(tmp_path)
    class_folders(tmp_path / "Train", rows(3))
    assert "Train, train" in refusal(tmp_path)


def test_no_held_out_part(tmp_path: Path) -> None:
    class_folders(tmp_path / "train", rows(6))
    assert "no held-out images" in refusal(tmp_path)


def test_classes_without_images_all_at_once(tmp_path: Path) -> None:
    image_folder(tmp_path)
    shutil.rmtree(tmp_path / "test" / "cat")
    (tmp_path / "test" / "cat").mkdir()
    shutil.rmtree(tmp_path / "train" / "eel")
    (tmp_path / "train" / "fox").mkdir()
    said = refusal(tmp_path)
    assert "cat: no test images (3 training)" in said
    assert "eel: no training images (2 test)" in said
    assert "fox: no images at all" in said
    (tmp_path / "train" / "fox").rmdir()
    raw = read(tmp_path, allow_empty_classes=True)
    assert (raw.classes, raw.test.labels.tolist()) == (3, [1, 1, 2, 2])
    assert remarks("x", census_of(raw)) == [
        "x: warning: 1 of 3 classes without training images: eel; no network can learn to tell them",
        "x: warning: 1 of 3 classes without test images: cat; test accuracy says nothing of them",
    ]


@pytest.mark.parametrize("part", ["train", "test"])
def test_images_outside_of_class_folders(tmp_path: Path, part: str) -> None:
    image_folder(tmp_path)
    shutil.copy(tmp_path / "train" / "cat" / "000.png", tmp_path / part / "loose.png")
    said = refusal(tmp_path)
    assert "outside of class folders" in said
    assert f"{tmp_path / part}: 1 image (loose.png)" in said


def test_flat_test_images(tmp_path: Path) -> None:
    class_folders(tmp_path / "train", rows(6))
    (tmp_path / "test").mkdir()
    for number in range(4):
        (tmp_path / "test" / f"{number}.jpg").write_bytes(picture(number))
    assert "test: 4 images (0.jpg, 1.jpg, 2.jpg, and 1 more)" in refusal(tmp_path)


def test_unknown_suffixes_are_counted_and_need_a_word(tmp_path: Path) -> None:
    image_folder(tmp_path)
    for name in ("a.heic", "b.HEIC", "c.dng", "scan"):
        (tmp_path / "train" / "cat" / name).write_bytes(b"x")
    said = refusal(tmp_path)
    assert "4 files that may be images" in said
    assert f".heic: 2 files, such as {tmp_path}/train/cat/" in said
    assert "no suffix: 1 file" in said
    assert "--data.ignore_suffixes '[\"\", .dng, .heic]'" in said
    assert len(read(tmp_path, ignore_suffixes=["heic", "*.DNG", " "]).train) == 9
    raw = read(tmp_path, ignore_suffixes=[".HEIC", ".dng", ""])
    assert len(raw.train) == 9
    assert raw.facts["ignored"]["of a suffix in data.ignore_suffixes"]["count"] == 4


def test_a_pipe_in_a_class_folder_is_not_waited_for(tmp_path: Path) -> None:
    import os

    image_folder(tmp_path)
    os.mkfifo(tmp_path / "train" / "cat" / "pipe.png")
    raw = read(tmp_path)
    assert raw.facts["ignored"]["not a regular file"]["examples"] == ["train/cat/pipe.png"]


def test_names_that_are_not_utf8(tmp_path: Path) -> None:
    image_folder(tmp_path)
    for part in ("train", "test"):
        rename_to_latin1(tmp_path / part, "cat", b"katz\xe9")
    raw = read(tmp_path)
    assert [one["name"] for one in raw.facts["classes"]] == ["dog", "eel", "katz\udce9"]
    (tmp_path / "train" / "katz\udce9" / "000.png").write_bytes(b"x")
    assert "katz\\xe9/000.png: not an image" in refusal(tmp_path)


def test_folders_inside_of_class_folders(tmp_path: Path) -> None:
    image_folder(tmp_path)
    (tmp_path / "train" / "cat" / "kittens").mkdir()
    (tmp_path / "train" / "cat" / "kittens" / "a.png").write_bytes(picture(70))
    assert read(tmp_path).train.labels.tolist().count(0) == 4


def test_the_identity_is_pixels_and_labels_not_names(tmp_path: Path) -> None:
    first = content(image_folder(tmp_path / "a"))
    assert content(Path(shutil.copytree(tmp_path / "a", tmp_path / "b"))) == first
    (tmp_path / "b" / "train" / "eel").rename(tmp_path / "b" / "train" / "fox")
    (tmp_path / "b" / "test" / "eel").rename(tmp_path / "b" / "test" / "fox")
    assert content(tmp_path / "b") == first
    (tmp_path / "b" / "train" / "fox" / "002.png").rename(tmp_path / "b" / "train" / "dog" / "002.png")
    assert content(tmp_path / "b") != first


def test_accents_of_a_mac(tmp_path: Path) -> None:
    """One part was packed on a Mac, which writes e and accent as two characters."""
    image_folder(tmp_path)
    for part, name in (("train", "Caf\u00e9"), ("test", "Cafe\u0301")):
        (tmp_path / part / "cat").rename(tmp_path / part / name)
    raw = read(tmp_path)
    assert [one["name"] for one in raw.facts["classes"]] == ["Caf\u00e9", "dog", "eel"]
    assert raw.test.labels.tolist() == [0, 0, 1, 1, 2, 2]


def test_labels_are_part_of_the_identity(tmp_path: Path) -> None:
    """The same images in the same order, one of them in the class before."""
    image_folder(tmp_path)
    before = content(tmp_path)
    (tmp_path / "train" / "eel" / "002.png").rename(tmp_path / "train" / "dog" / "900.png")
    assert content(tmp_path) != before
    (tmp_path / "train" / "dog" / "900.png").rename(tmp_path / "train" / "eel" / "000.png")
    assert content(tmp_path) == before, "the name of a file is none"


def test_what_is_wrong_with_the_layout_is_told_together(tmp_path: Path) -> None:
    image_folder(tmp_path)
    (tmp_path / "train" / "stray.png").write_bytes(picture(1))
    (tmp_path / "train" / "cat" / "a.mp4").write_bytes(b"x")
    (tmp_path / "test" / "dog" / "b.xyz").write_bytes(b"x")
    (tmp_path / "test" / "gone").symlink_to("/nowhere/dog")
    said = refusal(tmp_path)
    for word in ("1 image (stray.png)", "train/cat/a.mp4", "test/dog/b.xyz", "a link to /nowhere/dog"):
        assert word in said
    assert "sort them into class folders" in said
    assert "--data.ignore_suffixes '[.mp4, .xyz]'" in said


@pytest.mark.parametrize("parts", [("train", "Train"), ("train", "training"), ("train", "Train", "val")])
def test_two_training_parts(tmp_path: Path, parts: tuple[str, ...]) -> None:
    """With and without a held-out part."""
    for part in parts:
        class_folders(tmp_path / part, rows(6))
    said = refusal(tmp_path)
    assert "the same part under two names" in said
    assert "keep one of them, and delete, move or rename the others" in said
