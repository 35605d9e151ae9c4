"""A user's own images: Parquet pair or image folders."""

from __future__ import annotations

import io
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from support.pictures import picture, table

from hpmkd.config.sweep import DataConfig
from hpmkd.data.catalog import find
from hpmkd.data.source import content_hash
from hpmkd.errors import EnvironmentProblem

CONFIG = DataConfig()


@pytest.fixture
def pair(tmp_path: Path) -> Path:
    folder = tmp_path / "pair"
    folder.mkdir()
    pq.write_table(table(9), folder / "train.parquet")
    pq.write_table(table(6), folder / "test.parquet")
    return folder


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    folder = tmp_path / "tree"
    for part, count in (("train", 4), ("test", 2)):
        for name in ("cat", "dog"):
            (folder / part / name).mkdir(parents=True)
            for number in range(count):
                (folder / part / name / f"{number}.png").write_bytes(picture(number, mode="L"))
    return folder


def read(folder: Path) -> Any:
    return find(str(folder)).read(CONFIG)


def test_parquet_pair(pair: Path) -> None:
    raw = read(pair)
    raw.check("pair")
    assert (raw.train.pixels.shape, raw.test.pixels.shape, raw.classes) == ((9, 8, 8, 3), (6, 8, 8, 3), 3)
    assert np.array_equal(raw.train.pixels[4].numpy(), np.asarray(Image.open(io.BytesIO(picture(4)))))
    assert raw.train.labels.tolist() == [0, 1, 2] * 3


def test_shards_are_read_in_order(pair: Path) -> None:
    whole = read(pair)
    (pair / "data").mkdir()
    full = pq.read_table(pair / "train.parquet")
    pq.write_table(full.slice(0, 5), pair / "data" / "train-00000-of-00002.parquet")
    pq.write_table(full.slice(5), pair / "data" / "train-00001-of-00002.parquet")
    (pair / "train.parquet").unlink()
    (pair / "test.parquet").rename(pair / "data" / "test-00000-of-00001.parquet")
    assert np.array_equal(read(pair).train.pixels.numpy(), whole.train.pixels.numpy())


@pytest.mark.parametrize("names", [("img", "label"), ("image", "fine_label")])
def test_other_common_column_names(pair: Path, names: tuple[str, str]) -> None:
    for part in ("train", "test"):
        path = pair / f"{part}.parquet"
        pq.write_table(pq.read_table(path).rename_columns(list(names)), path)
    assert len(read(pair).train) == 9


def test_image_folders_in_grey(tree: Path) -> None:
    raw = read(tree)
    raw.check("tree")
    assert raw.train.pixels.shape == (8, 8, 8, 1)
    assert (raw.train.labels.tolist(), raw.classes) == ([0] * 4 + [1] * 4, 2)


def test_identity_is_the_content_not_the_place(pair: Path, tree: Path, tmp_path: Path) -> None:
    for folder in (pair, tree):
        copy = Path(shutil.copytree(folder, tmp_path / "copies" / folder.name))
        assert content_hash(copy) == content_hash(folder)
    (tree / "train" / "cat" / "0.png").write_bytes(picture(99, mode="L"))
    assert content_hash(tree) != content_hash(tmp_path / "copies" / "tree")


def bad_row(folder: Path) -> None:
    rows = table(9).to_pylist()
    rows[7]["image"]["bytes"] = b"not an image"
    pq.write_table(pa.Table.from_pylist(rows), folder / "train.parquet")


def empty_cell(folder: Path) -> None:
    rows = table(9).to_pylist()
    rows[3]["label"] = None
    pq.write_table(pa.Table.from_pylist(rows), folder / "train.parquet")


def other_size(folder: Path) -> None:
    rows = table(9).to_pylist()
    rows[5]["image"]["bytes"] = picture(1, size=9)
    pq.write_table(pa.Table.from_pylist(rows), folder / "train.parquet")


def torn(folder: Path) -> None:
    data = (folder / "train.parquet").read_bytes()
    (folder / "train.parquet").write_bytes(data[: len(data) // 2])


@pytest.mark.parametrize(
    ("spoil", "parts"),
    [
        (bad_row, ["train.parquet, row 7", "not a readable image"]),
        (empty_cell, ["train.parquet, row 3", "empty cell"]),
        (other_size, ["train.parquet, row 5", "8x8 pixels", "9x9"]),
        (torn, ["train.parquet", "corrupt Parquet"]),
        (lambda folder: pq.write_table(pa.table({"x": [1]}), folder / "test.parquet"), ["unexpected columns", "x"]),
        (lambda folder: (folder / "test.parquet").unlink(), ["not a data set", "train.parquet and test.parquet"]),
    ],
)
def test_bad_parquet_is_named(pair: Path, spoil: Any, parts: list[str]) -> None:
    spoil(pair)
    with pytest.raises(EnvironmentProblem) as caught:
        read(pair)
    assert caught.value.exit_code == 3
    for part in parts:
        assert part in str(caught.value)


def test_bad_trees_are_named(tree: Path) -> None:
    (tree / "train" / "cat" / "0.png").write_bytes(b"x")
    with pytest.raises(EnvironmentProblem, match=r"0\.png: not a readable image"):
        read(tree)
    shutil.rmtree(tree / "test" / "dog")
    with pytest.raises(EnvironmentProblem, match="different classes"):
        read(tree)
