"""Data sets decoded with helpers: pixels, counts and messages are those of one process alone."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image, ImageFile
from pyarrow import parquet
from support import datasets
from support.pictures import picture, table

from hpmkd.config.sweep import DataConfig
from hpmkd.data import decoders
from hpmkd.data.decoders import Decoders
from hpmkd.data.examine import Seen, decoded, raise_faults
from hpmkd.data.layouts.detect import take_inventory
from hpmkd.errors import EnvironmentProblem


def everything(folder: Path, config: DataConfig) -> tuple[dict[str, np.ndarray], Seen] | str:
    """What a data set's images become, or why they cannot be used."""
    try:
        kept, seen = decoded(take_inventory(folder, config), config)
    except EnvironmentProblem as error:
        return str(error)
    colour = any(spool.dimensions[3] for spool in kept.values())
    return {name: spool.stacked(colour) for name, spool in kept.items()}, seen


def noise(size: tuple[int, int], kind: str, mode: str = "RGB") -> bytes:
    return datasets.encoded(Image.effect_noise(size, 90).convert(mode), kind)


def rows_of_all_kinds() -> list[bytes]:
    """Of one size, of many formats and modes, all of them usable."""
    made = [noise((8, 8), kind) for kind in ("PNG", "JPEG", "GIF", "BMP", "WEBP", "TIFF")]
    made += [noise((8, 8), "PNG", mode) for mode in ("L", "1", "RGBA", "P", "LA")]
    return made * 5


def folder_of(path: Path, images: list[bytes | None]) -> Path:
    path.mkdir()
    labels = [number % 3 for number in range(len(images))]
    columns = {"image": [{"bytes": one, "path": f"{number}.png"} for number, one in enumerate(images)], "label": labels}
    parquet.write_table(pa.table(columns), path / "train.parquet")
    parquet.write_table(table(6), path / "test.parquet")
    return path


def assert_same(folder: Path, monkeypatch: pytest.MonkeyPatch, size: int | None = None) -> object:
    """With helpers and alone; returns what was found."""
    config = DataConfig(image_size=size)
    found = everything(folder, config)
    monkeypatch.setattr(decoders, "cores", lambda: 1)
    alone = everything(folder, config)
    if isinstance(found, str) or isinstance(alone, str):
        assert found == alone
        return found
    assert found[1] == alone[1]
    assert found[0].keys() == alone[0].keys()
    assert all(np.array_equal(found[0][name], alone[0][name]) for name in alone[0])
    return found


def test_images_of_all_kinds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, helpers: None) -> None:
    asked = []
    real = Decoders._ask
    monkeypatch.setattr(Decoders, "_ask", lambda self, images: asked.append(len(images)) or real(self, images))
    found = assert_same(folder_of(tmp_path / "x", rows_of_all_kinds()), monkeypatch)
    assert not isinstance(found, str)
    assert sum(asked) == 55 + 6


def test_images_of_many_sizes_that_are_resized(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, helpers: None) -> None:
    images = [noise((6 + number, 17 - number), "PNG") for number in range(8)]
    found = assert_same(folder_of(tmp_path / "x", images), monkeypatch, size=12)
    assert not isinstance(found, str)


def test_files_of_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, helpers: None) -> None:
    source = datasets.image_folder(tmp_path / "x")
    assert not isinstance(assert_same(source, monkeypatch), str)
    monkeypatch.setattr(decoders, "cores", lambda: 3)
    (source / "train" / "cat" / "000.png").unlink()
    (source / "train" / "cat" / "000.png").symlink_to("nowhere.png")
    (source / "test" / "dog" / "000.png").write_bytes(b"<html>")
    assert "2 of 16 images" in str(assert_same(source, monkeypatch))


@pytest.mark.parametrize("where", [0, 1, 20, 39])
def test_faults_are_named_in_order(where: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, helpers: None) -> None:
    images: list[bytes | None] = [picture(number) for number in range(40)]
    images[where] = None
    images[(where + 7) % 40] = b"no image"
    images[(where + 13) % 40] = picture(1)[:-30]
    found = assert_same(folder_of(tmp_path / "x", images), monkeypatch)
    assert isinstance(found, str)
    assert found.count("train.parquet, row ") == 3


@pytest.mark.parametrize("damaged", [False, True])
def test_of_images_that_differ_in_size_only_the_headers_count(
    damaged: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, helpers: None
) -> None:
    """One that is damaged behind its header, after the first of another size, is not found alone, nor with helpers."""
    images: list[bytes | None] = [*map(picture, range(10)), picture(10, 9), *map(picture, range(11, 20))]
    if damaged:
        images[15] = picture(15)[:-30]
    found = assert_same(folder_of(tmp_path / "x", images), monkeypatch)
    assert "images of 2 sizes" in str(found)


def test_all_that_cannot_be_read_is_looked_for_with_helpers(tmp_path: Path, helpers: None) -> None:
    images: list[bytes | None] = [picture(1), b"x", picture(2, 9), picture(3)[:-60]]
    config = DataConfig()
    inventory = take_inventory(folder_of(tmp_path / "x", images), config)
    with pytest.raises(EnvironmentProblem, match=r"2 of 10 .*(?s:.*)2 sizes"):
        raise_faults(inventory, config)


def test_pillow_as_somebody_has_set_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, helpers: None) -> None:
    """Helpers would not know."""
    images: list[bytes | None] = [noise((16, 16), "JPEG")[:-12] for _ in range(30)]
    source = folder_of(tmp_path / "x", images)
    assert "30 of 36" in str(everything(source, DataConfig(image_size=8)))
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    assert not isinstance(everything(source, DataConfig(image_size=8)), str)
    monkeypatch.undo()
    assert Decoders(None, 3).count == 3
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    assert Decoders(None, 3).count == 1
    monkeypatch.undo()
    monkeypatch.setitem(Image.OPEN, "MINE", (lambda *_: None, None))
    assert Decoders(None, 3).count == 1


@pytest.mark.parametrize("after", [0, 1, 2])
def test_a_limit_on_threads(after: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, helpers: None) -> None:
    real, left = ThreadPoolExecutor.submit, [None] * after

    def submit(self: ThreadPoolExecutor, *work: Any) -> Any:
        if not left:
            raise RuntimeError("can't start new thread")
        left.pop()
        return real(self, *work)

    monkeypatch.setattr(decoders, "_IMAGES", 8)
    monkeypatch.setattr(ThreadPoolExecutor, "submit", submit)
    assert not isinstance(assert_same(folder_of(tmp_path / "x", rows_of_all_kinds()), monkeypatch), str)


def test_where_no_helper_starts_all_is_done_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, helpers: None
) -> None:
    monkeypatch.setattr(decoders, "_START", "raise SystemExit(1)")
    found = assert_same(folder_of(tmp_path / "x", rows_of_all_kinds()), monkeypatch)
    assert not isinstance(found, str)


def test_images_that_grow_are_the_same_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, helpers: None) -> None:
    monkeypatch.setattr(decoders, "_DECODED", 1000)
    images: list[bytes | None] = [noise((8 + number % 40, 8), "PNG") for number in range(200)]
    assert not isinstance(assert_same(folder_of(tmp_path / "x", images), monkeypatch, size=12), str)
