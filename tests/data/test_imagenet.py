"""Tiny-ImageNet's folders, and ImageNet-100 as on Kaggle: labels in a list, parts in pieces, words for numbers."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from support.datasets import class_folders, content, read, refusal, rows
from support.pictures import picture
from support.published import WNIDS, WORDS, laid_out, tiny_imagenet, zipped

from hpmkd.data.census import census_of, remarks


def tiny(root: Path) -> Path:
    return laid_out(root, tiny_imagenet())


def names(root: Path) -> list[str]:
    return [str(one["name"]) for one in read(root).facts["classes"]]


def test_folder_and_zip_are_the_same_data(tmp_path: Path) -> None:
    root = tiny(tmp_path / "tiny-imagenet-200")
    packed = zipped(tmp_path / "tiny.zip", "tiny-imagenet-200", tiny_imagenet())
    assert content(root) == content(packed)
    raw = read(packed)
    assert raw.classes == 3
    assert names(root) == ["go-kart", "goldfish", "Egyptian cat"], "in the order of wnids.txt"
    # Training images class by class in the order of their names, whose numbers are 1, 2, 0 in wnids.txt.
    assert raw.train.labels.tolist() == [1, 1, 2, 2, 0, 0]
    assert raw.test.labels.tolist() == [1, 2, 0]
    assert raw.facts["layout"] == "Tiny-ImageNet's folders"


def test_test_images_without_labels_are_said(tmp_path: Path) -> None:
    said = remarks("x", census_of(read(tiny(tmp_path))))
    assert "x: the images in test have no labels: val is the held-out part" in said
    assert [line for line in said if "without labels" in line] == [
        "x: not used: 1 file without labels (1 image or table), such as test/images/test_0.JPEG"
    ]
    assert not [line for line in said if "images for validation are taken" in line]


def test_without_the_order_and_the_words(tmp_path: Path) -> None:
    root = tiny(tmp_path)
    (root / "wnids.txt").unlink()
    (root / "words.txt").unlink()
    assert names(root) == sorted(WNIDS)
    assert "wnids.txt is not there: classes are in the order of their names" in read(root).facts["notes"]


def test_words_that_two_classes_share(tmp_path: Path) -> None:
    root = tiny(tmp_path)
    words = {**WORDS, "n01443537": "crane, bird", "n02124075": "crane"}
    (root / "words.txt").write_text("".join(f"{name}\t{word}\n" for name, word in words.items()))
    assert names(root) == ["go-kart", "crane (n01443537)", "crane (n02124075)"]


def test_without_the_list(tmp_path: Path) -> None:
    root = tiny(tmp_path)
    (root / "val" / "val_annotations.txt").unlink()
    said = refusal(root)
    assert "val_annotations.txt is not there" in said
    assert "the labels of the 3 images in images" in said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "an empty file"),
        ("val_0.JPEG n01443537\n", "1 other line, such as line 1"),
        ("val_0.JPEG\tn01443537\nval_1.JPEG\tn02124075\n", "val_2.JPEG: in images, but not in the list"),
        ("val_0.JPEG\tn01443537\nval_1.JPEG\tn02124075\nval_2.JPEG\tn9\n", "its class n9 has no training images"),
        ("".join(f"val_{place % 3}.JPEG\tn01443537\n" for place in range(4)), "val_0.JPEG: 2 times"),
        ("".join(f"val_{place}.JPEG\tn01443537\n" for place in range(4)), "val_3.JPEG: in the list, but not in"),
        ("".join(f"val_{place}.JPEG\tn01443537\n" for place in range(3)), "no test images (2 training)"),
    ],
)
def test_lists_that_do_not_fit(text: str, said: str, tmp_path: Path) -> None:
    root = tiny(tmp_path)
    (root / "val" / "val_annotations.txt").write_text(text)
    assert said in refusal(root)


@pytest.mark.parametrize(
    ("numbers", "said"),
    [
        (WNIDS[:2], "n02124075: a folder of images, but not in wnids.txt"),
        ((*WNIDS, "n00000001"), "n00000001: in wnids.txt, but without a folder"),
        ((*WNIDS, WNIDS[0]), "n03444034: twice in wnids.txt"),
    ],
)
def test_an_order_of_other_classes(numbers: tuple[str, ...], said: str, tmp_path: Path) -> None:
    root = tiny(tmp_path)
    (root / "wnids.txt").write_text("\n".join(numbers))
    assert said in refusal(root)


def test_sorted_validation_images_stay_as_they_were_read(tmp_path: Path) -> None:
    """Who has sorted them once has the same data as before, in the order of the names."""
    root = tiny(tmp_path)
    for place, name in enumerate(sorted(WNIDS)):
        (root / "val" / name).mkdir()
        shutil.move(root / "val" / "images" / f"val_{place}.JPEG", root / "val" / name)
    (root / "val" / "images").rmdir()
    raw = read(root)
    assert raw.facts["layout"] == "image folders"
    assert raw.test.labels.tolist() == [0, 1, 2]
    assert [one["name"] for one in raw.facts["classes"]] == ["goldfish", "Egyptian cat", "go-kart"]


@pytest.mark.parametrize("below", ["train", "val", "train/n01443537", "train/n01443537/images"])
def test_too_deep(below: str, tmp_path: Path) -> None:
    root = tiny(tmp_path / "tiny")
    assert f"name that folder, for example my-images={root}" in refusal(root / below)


def test_too_high(tmp_path: Path) -> None:
    root = tiny(tmp_path / "a" / "b" / "c" / "tiny")
    assert f"name that folder: my-images={root}" in refusal(tmp_path)
    assert read(tmp_path / "a" / "b").classes == 3


def kaggle(root: Path) -> Path:
    """ImageNet-100 with three classes, in two pieces."""
    for place, name in enumerate(WNIDS):
        piece = root / f"train.X{1 + place // 2}" / name
        piece.mkdir(parents=True)
        (root / "val.X" / name).mkdir(parents=True)
        for number in range(2):
            (piece / f"{number}.JPEG").write_bytes(picture(2 * place + number, 64))
        (root / "val.X" / name / "v.JPEG").write_bytes(picture(10 + place, 80))
    (root / "Labels.json").write_text(json.dumps(WORDS))
    return root


def test_parts_in_pieces(tmp_path: Path) -> None:
    raw = read(kaggle(tmp_path), image_size=64)
    assert raw.train.labels.tolist() == [0, 0, 1, 1, 2, 2]
    assert raw.test.labels.tolist() == [0, 1, 2]
    assert raw.train.pixels.shape[1:3] == (64, 64)
    assert [one["name"] for one in raw.facts["classes"]] == ["goldfish", "Egyptian cat", "go-kart"]
    assert raw.facts["notes"] == [
        "there is no test part: val is the held-out one", "train.X1, train.X2 are read as one part",
    ]  # fmt: skip


def test_pieces_are_the_same_data_as_whole_parts(tmp_path: Path) -> None:
    before = content(kaggle(tmp_path), image_size=64)
    for name in WNIDS:
        (piece,) = tmp_path.glob(f"train.X*/{name}")
        (tmp_path / "train").mkdir(exist_ok=True)
        piece.rename(tmp_path / "train" / name)
    for piece in tmp_path.glob("train.X*"):
        piece.rmdir()
    (tmp_path / "val.X").rename(tmp_path / "val")
    assert content(tmp_path, image_size=64) == before


def test_a_class_in_two_pieces(tmp_path: Path) -> None:
    class_folders(tmp_path / "train.X1", rows(6))
    class_folders(tmp_path / "train.X2", rows(3, first=6))
    class_folders(tmp_path / "val.X", rows(3, first=9))
    assert read(tmp_path).train.labels.tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]


def test_a_missing_piece(tmp_path: Path) -> None:
    for number in (1, 2, 4):
        class_folders(tmp_path / f"train.X{number}", rows(3, first=number))
    class_folders(tmp_path / "val.X", rows(3, first=9))
    said = refusal(tmp_path)
    assert "1 piece of train missing" in said
    assert "without train.X3" in said


def test_a_part_beside_its_pieces(tmp_path: Path) -> None:
    for name in ("train", "train.X1", "val.X"):
        class_folders(tmp_path / name, rows(3))
    assert "train, train.X1" in refusal(tmp_path)


def test_a_class_that_only_one_part_has(tmp_path: Path) -> None:
    root = kaggle(tmp_path)
    shutil.rmtree(root / "val.X" / WNIDS[2])
    assert "n02124075: no test images (2 training)" in refusal(root, image_size=64)


def test_images_of_many_sizes_need_one(tmp_path: Path) -> None:
    assert "--data.image_size 64" in refusal(kaggle(tmp_path))


def test_flat_test_images_beside_a_validation_part(tmp_path: Path) -> None:
    class_folders(tmp_path / "train", rows(6))
    class_folders(tmp_path / "val", rows(3, first=9))
    (tmp_path / "test").mkdir()
    (tmp_path / "test" / "1.png").write_bytes(picture(30))
    raw = read(tmp_path)
    assert len(raw.test) == 3
    assert "the images in test have no labels: val is the held-out part" in raw.facts["notes"]
