"""The census: everything is counted, duplicates are found, notable things have a line, clean sets one."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from support.builders import make_config, make_raw
from support.datasets import class_folders, image_folder, opened, rows
from support.pictures import picture

from hpmkd.data import cache
from hpmkd.data.census import census_of, contact_sheet, duplicates, remarks, summary
from hpmkd.data.images import RawData
from hpmkd.data.source.images import Images


def part(numbers: list[int], labels: list[int]) -> Images:
    pixels = np.stack([np.asarray(opened(picture(number))) for number in numbers])
    return Images(torch.from_numpy(pixels), torch.tensor(labels))


def test_duplicates() -> None:
    train, test = part([1, 2, 1, 1, 3], [0, 1, 0, 1, 1]), part([4, 4, 2, 2], [0, 0, 1, 1])
    assert duplicates(train, test) == {"train": 2, "test": 2, "between": 2, "contradicting": 1}
    assert duplicates(part([1], [0]), part([2], [0])) == {"train": 0, "test": 0, "between": 0, "contradicting": 0}


def test_lines_for_what_is_notable() -> None:
    raw = RawData(part([1, 2, 1, 1], [0, 1, 0, 1]), part([4, 2], [0, 1]), 2)
    census = census_of(raw)
    assert summary("x", census) == "x: 4 training and 2 test images of 2 classes, 8x8 in colour"
    assert remarks("x", census) == [
        "x: warning: 1 of 2 test images is also among the training images (the same pixels), so test accuracy says "
        "less than it seems",
        "x: 2 training images with the pixels of another training image",
        "x: 1 training image with the pixels of one that has another label",
    ]


def test_every_image_is_in_it(tmp_path: Path) -> None:
    """Used, and set aside with a reason: together all files that are there."""
    image_folder(tmp_path / "own")
    class_folders(tmp_path / "own" / "val", rows(4, first=40))
    for name in (".hidden.png", "notes.txt", "clip.mp4"):
        (tmp_path / "own" / "train" / "cat" / name).write_bytes(b"x")
    config = make_config(tmp_path / "cache", datasets=[str(tmp_path / "own")], data__ignore_suffixes=[".mp4"])
    (spec,) = cache.describe(config)
    meta = cache.take_census(cache.find_all(config.datasets)[0][0], config.data)
    census = meta["census"]
    assert {reason: about["count"] for reason, about in census["ignored"].items()} == {
        "hidden": 1,
        "not used beside the test part: val/": 4,
        "not an image by its suffix": 1,
        "of a suffix in data.ignore_suffixes": 1,
    }
    files = sum(about["files"] for about in census["parts"].values())
    aside = sum(about["count"] for about in census["ignored"].values())
    assert files + aside == sum(path.is_file() for path in (tmp_path / "own").rglob("*"))
    assert spec.content == meta["content"]


def test_a_clean_data_set_has_one_line(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "hpmkd")
    config = make_config(tmp_path / "cache", datasets=[f"x={image_folder(tmp_path / 'own')}"])
    cache.describe(config)
    said = "x: 9 training and 6 test images of 3 classes, 8x8 in colour (image folders)"
    assert caplog.messages == ["decoding the images of x; later sweeps reuse them", said]
    cache.describe(config)
    assert caplog.messages[2:] == [said], "from the cache"


def test_duplicates_between_the_parts_are_told_before_training(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("train", "test"):
        class_folders(tmp_path / "own" / name, rows(6))
    cache.describe(make_config(tmp_path / "cache", datasets=[f"x={tmp_path / 'own'}"]))
    assert "x: warning: 6 of 6 test images are also among the training images" in caplog.text


@pytest.mark.parametrize(("channels", "classes", "size"), [(1, 4, 16), (3, 5, 16), (3, 2, 100), (1, 120, 16)])
def test_a_picture_per_class(channels: int, classes: int, size: int) -> None:
    raw = make_raw(classes + 1, channels=channels, size=size, classes=classes)
    data, about = contact_sheet(raw)
    sheet = np.asarray(Image.open(io.BytesIO(data)))
    assert about["classes"] == min(classes, 100)
    assert about["tile"] == min(size, 64)
    label, tile = about["classes"] - 1, about["tile"]
    row, column = divmod(label, about["columns"])
    shown = sheet[row * tile : (row + 1) * tile, column * tile : (column + 1) * tile]
    first = raw.train.pixels[raw.train.labels.tolist().index(label)].numpy()
    if tile == size:
        assert np.array_equal(shown, first.squeeze(2) if channels == 1 else first)
    assert shown.shape[:2] == (tile, tile)


def test_a_class_without_training_images_has_a_white_tile() -> None:
    raw = RawData(part([1], [1]), part([2], [0]), 2)
    data, about = contact_sheet(raw)
    sheet = np.asarray(Image.open(io.BytesIO(data)))
    assert (sheet[:8, :8] == 255).all()
    assert np.array_equal(sheet[:8, 8:16], np.asarray(opened(picture(1))))
    assert about["columns"] == 2
