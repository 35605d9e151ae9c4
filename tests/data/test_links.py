"""Links in a data set: followed where they lead to images, named where they lead nowhere or back."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from support.datasets import content, image_folder, read, refusal
from support.pictures import picture


def test_links_are_followed_and_their_images_hashed(tmp_path: Path) -> None:
    image_folder(tmp_path / "store")
    for part in ("train", "test"):
        (tmp_path / "own" / part).mkdir(parents=True)
        for name in ("cat", "dog", "eel"):
            (tmp_path / "own" / part / name).symlink_to(tmp_path / "store" / part / name)
    (tmp_path / "link").symlink_to(tmp_path / "own")
    assert content(tmp_path / "own") == content(tmp_path / "store") == content(tmp_path / "link")
    assert len(read(tmp_path / "own").train) == 9
    before = content(tmp_path / "own")
    (tmp_path / "store" / "train" / "cat" / "000.png").write_bytes(picture(77))
    assert content(tmp_path / "own") != before


def test_links_of_single_images(tmp_path: Path) -> None:
    image_folder(tmp_path / "store")
    for path in sorted((tmp_path / "store").rglob("*.png")):
        place = tmp_path / "own" / path.relative_to(tmp_path / "store")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(path)
    assert content(tmp_path / "own") == content(tmp_path / "store")


def test_a_link_that_leads_back_is_not_followed(tmp_path: Path) -> None:
    image_folder(tmp_path)
    (tmp_path / "train" / "cat" / "again").symlink_to(tmp_path)
    (tmp_path / "train" / "self").symlink_to(tmp_path / "train")
    raw = read(tmp_path)
    assert len(raw.train) == 9
    assert raw.facts["ignored"]["a link that leads back to a folder above it"]["count"] == 2


def test_a_class_folder_that_is_a_link_to_nowhere_is_refused(tmp_path: Path) -> None:
    """In both parts, so that no class lacks images in one of them."""
    image_folder(tmp_path)
    for part in ("train", "test"):
        (tmp_path / part / "cow").symlink_to("../store/cow")
    said = refusal(tmp_path)
    assert "2 links to what is not there" in said
    assert str(tmp_path / "train" / "cow") in said


def test_class_folders_that_link_to_one_another_are_refused(tmp_path: Path) -> None:
    """They have more paths than anybody waits for."""
    classes = [f"c{number:02d}" for number in range(11)]
    for number, name in enumerate(classes):
        for part in ("train", "test"):
            (tmp_path / part / name).mkdir(parents=True)
            (tmp_path / part / name / "0.png").write_bytes(picture(number))
        for other in classes:
            if other != name:
                (tmp_path / "train" / name / other).symlink_to(tmp_path / "train" / other)
    said = refusal(tmp_path)
    assert "a folder that is reached more than 10 times over links within linked folders" in said
    assert "train/c00/c01/c02" in said


def test_many_links_to_one_folder_are_followed(tmp_path: Path) -> None:
    """Each by itself, and some over a link within a linked folder."""
    image_folder(tmp_path / "store")
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "test").symlink_to(tmp_path / "store" / "test")
    for number in range(20):
        place = tmp_path / "own" / "train" / ("cat", "dog", "eel")[number % 3] / str(number)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(tmp_path / "store" / "train" / place.parent.name)
    (tmp_path / "store" / "test" / "cat" / "more").symlink_to(tmp_path / "store" / "train" / "cat")
    raw = read(tmp_path / "own")
    assert (len(raw.train), len(raw.test)) == (60, 9)


def test_a_link_to_itself_is_named(tmp_path: Path) -> None:
    image_folder(tmp_path)
    (tmp_path / "train" / "cat" / "self.png").symlink_to("self.png")
    assert "self.png: Too many levels of symbolic links" in refusal(tmp_path)


@pytest.mark.parametrize("place", ["test/dog", "train/dog", "train/cat/more"])
def test_a_link_to_a_class_folder_that_is_not_there(tmp_path: Path, place: str) -> None:
    """A list of files has it as a file without a suffix; it was meant to be a folder of images."""
    image_folder(tmp_path)
    shutil.rmtree(tmp_path / place, ignore_errors=True)
    (tmp_path / place).symlink_to("/nowhere/dog")
    said = refusal(tmp_path, allow_empty_classes=True)
    assert f"{tmp_path / place}: a link to /nowhere/dog, which does not exist" in said
    assert "correct these links" in said


@pytest.mark.parametrize("part", ["train", "test"])
def test_a_link_to_a_part_that_is_not_there(tmp_path: Path, part: str) -> None:
    image_folder(tmp_path)
    shutil.rmtree(tmp_path / part)
    (tmp_path / part).symlink_to("/nowhere/part")
    assert f"{tmp_path / part}: a link to /nowhere/part, which does not exist" in refusal(tmp_path)


def stored(root: Path, store: str) -> Path:
    """Class folders `dog` of both parts lie in a store beside the parts, and links lead there."""
    image_folder(root)
    for part in ("train", "test"):
        place = root / store / part
        place.mkdir(parents=True)
        (root / part / "dog").rename(place / "dog")
        (root / part / "dog").symlink_to(f"../{store}/{part}/dog")
    return root


@pytest.mark.parametrize("store", ["store", ".store", "a/b"])
def test_a_store_of_links_is_no_other_data_set(tmp_path: Path, store: str) -> None:
    """Nor is what lies in it used by nothing."""
    raw = read(stored(tmp_path / "own", store))
    assert (len(raw.train), len(raw.test)) == (9, 6)
    assert raw.facts["ignored"] == {}
    (tmp_path / "own" / store / "notes.txt").write_text("x")
    (ignored,) = read(tmp_path / "own").facts["ignored"].values()
    assert ignored["count"] == 1


def test_a_store_with_more_than_what_links_lead_to_is_one(tmp_path: Path) -> None:
    own = stored(tmp_path / "own", "store")
    (own / "store" / "train" / "eel").mkdir()
    (own / "store" / "train" / "eel" / "0.png").write_bytes(picture(70))
    assert "more than one data set" in refusal(own)


def test_a_link_to_the_newest_of_two_data_sets(tmp_path: Path) -> None:
    for name in ("v1", "v2"):
        image_folder(tmp_path / name)
    (tmp_path / "now").symlink_to("v2")
    said = refusal(tmp_path)
    assert f"{tmp_path / 'now'}: image folders" in said
    assert f"{tmp_path / 'v2'}: " not in said
    shutil.rmtree(tmp_path / "v1")
    assert len(read(tmp_path).train) == 9


def test_two_data_sets_that_lead_to_one_another_are_not_lost(tmp_path: Path) -> None:
    image_folder(tmp_path / "a")
    (tmp_path / "b").symlink_to("a")
    (tmp_path / "c").symlink_to("b")
    assert len(read(tmp_path).train) == 9


def test_files_that_rows_name_over_a_link(tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    (tmp_path / "images").symlink_to("store")
    for number in range(6):
        (tmp_path / "store" / f"{number}.png").write_bytes(picture(number))
    for part, places in (("train", range(4)), ("test", range(4, 6))):
        lines = [f"images/{place}.png,{place % 2}" for place in places]
        (tmp_path / f"{part}.csv").write_text("\n".join(["file,label", *lines]))
    assert read(tmp_path).facts["ignored"] == {}
