"""Columns of images that hold texts which are no paths: told by what they are."""

from __future__ import annotations

import base64
import csv
from collections.abc import Callable
from pathlib import Path

import pytest
from support.datasets import parquet_pair, refusal, rows

from hpmkd.data.source.cells import kind_of

CASES: dict[str, Callable[[bytes], str]] = {
    "URLs": lambda data: f"https://example.com/{len(data)}.png",
    "data: URIs": lambda data: "data:image/png;base64," + base64.b64encode(data).decode(),
    "base64 text": lambda data: base64.b64encode(data).decode(),
    "hexadecimal text": bytes.hex,
    "bytes as Python prints them": repr,
    "numbers written as text": lambda data: " ".join(map(str, data)),
    "objects as Python prints them": lambda data: "<PIL.PngImagePlugin.PngImageFile mode=RGB at 0x7F>",
}


@pytest.mark.parametrize("kind", CASES)
def test_in_a_table(tmp_path: Path, kind: str) -> None:
    parquet_pair(tmp_path, cell=CASES[kind])
    said = refusal(tmp_path)
    assert f"train.parquet: the column 'image' holds {kind}\n" in said
    assert f"found: {kind} in 9 rows, such as row 0: " in said
    assert "not there" not in said
    assert max(map(len, said.splitlines())) < 400


@pytest.mark.parametrize("kind", CASES)
def test_in_a_list(tmp_path: Path, kind: str) -> None:
    for part, data in (("train", rows(9)), ("test", rows(6, first=9))):
        with (tmp_path / f"{part}.csv").open("w", newline="") as file:
            csv.writer(file).writerows([("path", "label"), *((CASES[kind](content), label) for content, label in data)])
    assert f"train.csv: the column 'path' holds {kind}\n" in refusal(tmp_path)


def test_in_the_paths_of_the_hub(tmp_path: Path) -> None:
    parquet_pair(tmp_path, cell=lambda content: {"bytes": None, "path": "s3://bucket/1.png"})
    assert "the column 'image' holds URLs" in refusal(tmp_path)


def test_among_paths(tmp_path: Path) -> None:
    """Only of texts by which no file is found."""
    cells = iter(["1.png", "http://x/2.png", "3.png"] * 5)
    parquet_pair(tmp_path, cell=lambda content: next(cells))
    assert "URLs in 3 rows, such as row 1: http://x/2.png" in refusal(tmp_path)


@pytest.mark.parametrize(
    "path",
    [
        *("images/1.png", r"C:\images\1.png", "C:/images/1.png", "a" * 64, "deadbeef" * 8, "1/2/3/4/5.png"),
        *("data/1.png", "data: 1.png", "2024-01-02 10-20-30.jpg", "001", "1.5", "abc/" * 20 + "x", ""),
    ],
)
def test_paths_are_paths(path: str) -> None:
    assert kind_of(path) is None


def test_paths_of_missing_files_are_cut(tmp_path: Path) -> None:
    parquet_pair(tmp_path, cell=lambda content: "images/" + "x.y" * 2_000)
    said = refusal(tmp_path)
    assert "15 of 15 images cannot be read" in said
    assert "characters)" in said
    assert max(map(len, said.splitlines())) < 800


def test_bytes_of_texts(tmp_path: Path) -> None:
    parquet_pair(tmp_path, cell=lambda content: b"images/%d.png" % content[40])
    said = refusal(tmp_path)
    assert "train.parquet: 9 images, such as row 0: a path (which is read where the column is one of texts)" in said
