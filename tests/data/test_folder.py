"""A user's own images, decoded: all of them, or none, with every reason at once."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from support.datasets import (
    class_folders,
    content,
    encoded,
    image_folder,
    opened,
    parquet,
    parquet_pair,
    pixels_of,
    read,
    reads_everything,
    refusal,
    rows,
)
from support.pictures import picture

from hpmkd.config.sweep import DataConfig
from hpmkd.data import spool
from hpmkd.data.catalog import Dataset, find
from hpmkd.errors import EnvironmentProblem


def test_parquet_pair(tmp_path: Path) -> None:
    raw = read(parquet_pair(tmp_path))
    assert (raw.train.pixels.shape, raw.test.pixels.shape, raw.classes) == ((9, 8, 8, 3), (6, 8, 8, 3), 3)
    assert np.array_equal(raw.train.pixels.numpy(), pixels_of(rows(9)))
    assert raw.train.labels.tolist() == [0, 1, 2] * 3


def test_image_folders_in_grey_in_the_order_of_torchvision(tmp_path: Path) -> None:
    from torchvision.datasets import ImageFolder

    for part, count in (("train", 9), ("test", 6)):
        class_folders(tmp_path / part, rows(count, mode="L"))
    (tmp_path / "train" / "cat" / "b").mkdir()
    for name in ("b/2.png", "a.png", "b.png"):
        (tmp_path / "train" / "cat" / name).write_bytes(picture(hash(name) % 1000 + 50, mode="L"))
    raw = read(tmp_path)
    known = ImageFolder(str(tmp_path / "train"))
    assert raw.train.labels.tolist() == [label for _, label in known.samples]
    assert np.array_equal(
        raw.train.pixels.squeeze(3).numpy(), [np.asarray(Image.open(path)) for path, _ in known.samples]
    )


def test_colour_wins_wherever_the_grey_ones_are(tmp_path: Path) -> None:
    def grey(data: bytes, place: int) -> bytes:
        return encoded(opened(data).convert("L")) if place in (0, 4) else data

    raw = read(image_folder(tmp_path, change=grey))
    assert raw.train.pixels.shape[3] == raw.test.pixels.shape[3] == 3
    assert raw.facts["converted"] == {"grey among coloured ones: all are read as RGB": 4}
    first = raw.train.pixels[0].numpy()
    assert (first == first[..., :1]).all()
    assert np.array_equal(raw.train.pixels[1].numpy(), np.asarray(opened(picture(3))))


@pytest.mark.parametrize("options", [{}, {"transparency": 0}])
@pytest.mark.parametrize(("factor", "usable"), [(16, False), (257, True)])
def test_files_of_16_bits_that_use_only_12(tmp_path: Path, factor: int, usable: bool, options: dict[str, int]) -> None:
    def deep(data: bytes, place: int) -> bytes:
        grey = np.asarray(opened(data).convert("L")).astype(np.uint16)
        return encoded(Image.fromarray(grey * (factor if place else 1)), **options)  # one of them is dark in any case

    image_folder(tmp_path, change=deep)
    if usable:
        assert read(tmp_path).facts["converted"]["16 bits: scaled to 8"] == 15
    else:
        assert "15 images, such as" in refusal(tmp_path)


def test_all_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    def spoilt(data: bytes, place: int) -> bytes:
        other = {0: b"", 1: b"<html>404</html>", 2: data[:60], 3: b"version https://git-lfs.github.com/spec/v1"}
        return other.get(place, data)

    image_folder(tmp_path, change=spoilt)
    (tmp_path / "test" / "cat" / "gone.png").symlink_to(tmp_path / "nowhere")
    said = refusal(tmp_path)
    assert "9 of 16 images cannot be read" in said, "a link that leads nowhere is found when the files are hashed"
    assert f"gone.png: a link to {tmp_path / 'nowhere'}, which does not exist" in said
    assert "correct these links, or delete them" in said
    (tmp_path / "test" / "cat" / "gone.png").unlink()
    said = refusal(tmp_path)
    assert "8 of 15 images cannot be read" in said
    for word in (
        "an empty file",
        "a web page",
        "a damaged image",
        "git lfs pull",
        "train/cat/000.png",
        "test/dog/001.png",
    ):
        assert word in said


def test_ten_are_named_and_the_rest_counted(tmp_path: Path) -> None:
    class_folders(tmp_path / "train", rows(30), change=lambda data, place: b"x" if place >= 9 else data)
    class_folders(tmp_path / "test", rows(6))
    said = refusal(tmp_path)
    assert "21 of 36 images" in said
    assert said.count(".png: not an image") == 10
    assert "and 11 more" in said


def test_rows_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    data = rows(9)
    data[4] = (b"x", 1)
    data[7] = (data[7][0][:50], 1)
    parquet_pair(tmp_path)
    parquet(tmp_path / "train.parquet", data)
    said = refusal(tmp_path)
    assert "2 of 15 images" in said
    assert "train.parquet, row 4: not an image" in said
    assert "train.parquet, row 7: a damaged image" in said


def test_sizes_need_a_word(tmp_path: Path) -> None:
    image_folder(tmp_path, change=lambda data, place: encoded(opened(data).resize((12, 9))) if place == 5 else data)
    said = refusal(tmp_path)
    assert "images of 2 sizes" in said
    assert "8x8: 13 images" in said
    assert "12x9: 2 images, such as" in said
    assert "--data.image_size 28" in said
    raw = read(tmp_path, image_size=8)
    assert raw.facts["sizes"] == {"8x8": 13, "12x9": 2}
    assert raw.facts["converted"] == {"resized to 8x8": 2, "cropped to the square in the middle": 2}


def test_a_size_per_part_needs_one_too(tmp_path: Path) -> None:
    class_folders(tmp_path / "train", rows(9))
    class_folders(tmp_path / "test", rows(6, size=9))
    assert "images of 2 sizes" in refusal(tmp_path)


def test_not_square(tmp_path: Path) -> None:
    image_folder(tmp_path, change=lambda data, place: encoded(opened(data).resize((40, 33))))
    said = refusal(tmp_path)
    assert "images that are not square" in said
    assert "40x33: 15 images" in said
    assert "--data.image_size 32" in said
    assert read(tmp_path, image_size=32).train.pixels.shape == (9, 32, 32, 3)


def test_the_size_is_part_of_the_identity(tmp_path: Path) -> None:
    image_folder(tmp_path)
    assert len({content(tmp_path), content(tmp_path, image_size=8), content(tmp_path, image_size=16)}) == 3


def test_a_data_set_that_changes_while_it_is_read(tmp_path: Path) -> None:
    own = image_folder(tmp_path / "own")
    dataset = Dataset("own", "hpmkd.data.folder:read", source=str(own), content=content(own))
    assert len(dataset.read(DataConfig()).train) == 9
    (own / "train" / "cat" / "000.png").write_bytes(picture(99))
    with pytest.raises(EnvironmentProblem, match="has changed since"):
        dataset.read(DataConfig())


@pytest.mark.skipif(reads_everything(), reason="this user may read everything")
def test_files_without_permission_are_named(tmp_path: Path) -> None:
    image_folder(tmp_path)
    (tmp_path / "train" / "cat" / "000.png").chmod(0)
    assert "000.png: Permission denied" in refusal(tmp_path)


def test_more_kinds_of_files_are_read(tmp_path: Path) -> None:
    """Suffixes in any case, and formats that say something else than their suffix."""
    kinds = [
        ("JPG", "JPEG"),
        ("jfif", "JPEG"),
        ("gif", "GIF"),
        ("webp", "WEBP"),
        ("bmp", "BMP"),
        ("tif", "TIFF"),
        ("PPM", "PPM"),
    ]
    for part in ("train", "test"):
        for name in ("a", "b"):
            (tmp_path / part / name).mkdir(parents=True)
            for number, (suffix, kind) in enumerate(kinds):
                (tmp_path / part / name / f"{number}.{suffix}").write_bytes(encoded(opened(picture(number)), kind))
    raw = read(tmp_path)
    assert len(raw.train) == 14
    assert raw.facts["suffixes"] == {f".{suffix.lower()}": 4 for suffix, _ in kinds}
    assert find(f"x={tmp_path}").source == str(tmp_path)


def test_of_many_sizes_the_most_common_ones(tmp_path: Path) -> None:
    def changed(data: bytes, place: int) -> bytes:
        return encoded(opened(data).resize((8 + place, 8)))

    for name in ("train", "test"):
        class_folders(tmp_path / name, rows(30), change=changed)
    found = read(tmp_path, image_size=8).facts["sizes"]
    assert len(found) == 21
    assert found["others"] == 20


def test_sizes_and_damage_are_told_together(tmp_path: Path) -> None:
    def spoilt(data: bytes, place: int) -> bytes:
        return b"x" if place == 5 else encoded(opened(data).resize((8 + place % 2, 8)))

    said = refusal(image_folder(tmp_path, change=spoilt))
    assert "2 of 15 images cannot be read" in said
    assert "images of 2 sizes" in said
    assert "delete them; have them resized" in said


def test_damage_that_the_size_hides_is_told_with_them(tmp_path: Path) -> None:
    """Where sizes differ, headers alone are read: of a truncated image that is there."""

    def spoilt(data: bytes, place: int) -> bytes:
        data = encoded(opened(data).resize((8 + place, 8)))
        return {3: b"x", 4: data[:-30]}.get(place, data)

    class_folders(tmp_path / "train", rows(9), change=spoilt)
    class_folders(tmp_path / "test", rows(6, first=9))
    said = refusal(tmp_path)
    assert "2 of 15 images cannot be read" in said
    assert "train/dog/004.png: a damaged image" in said
    assert "12x8" not in said, "the size table is of images that can be used"
    assert refusal(tmp_path, image_size=8).split("besides")[0].count(".png") == 2


def test_more_than_the_disk_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Told before anything is written."""
    image_folder(tmp_path / "x")
    monkeypatch.setattr(spool, "IN_MEMORY_BYTES", 1)
    cache = str(tmp_path / "cache")
    assert len(read(tmp_path / "x", cache_dir=cache).train) == 9
    monkeypatch.setattr(spool.shutil, "disk_usage", lambda folder: SimpleNamespace(free=2 * 15 * 192 - 1))
    said = refusal(tmp_path / "x", cache_dir=cache)
    assert "too large for the disk" in said
    assert "--data.image_size 64" in said
    assert "--data.cache_dir FOLDER" in said
    assert list((tmp_path / "cache").iterdir()) == []


@pytest.mark.skipif(reads_everything(), reason="this user may read everything")
def test_folders_that_cannot_be_listed(tmp_path: Path) -> None:
    image_folder(tmp_path)
    (tmp_path / "other").mkdir(mode=0)
    assert read(tmp_path).facts["ignored"]["a folder that cannot be listed"]["examples"] == ["other"]
    (tmp_path / "train" / "cat" / "inner").mkdir(mode=0)
    assert "inner: Permission denied" in refusal(tmp_path)
