"""Shards: in order, all there, of one upload."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support.datasets import parquet, pixels_of, read, refusal, rows


def place(root: Path, train: list[str], each: int = 3) -> Path:
    """Training rows in these files, in their order, and a test file."""
    for number, name in enumerate(train):
        parquet(root / name, rows(each, first=each * number))
    parquet(root / Path(train[0]).parent / "test.parquet", rows(6, first=90))
    return root


@pytest.mark.parametrize(
    "names",
    [
        ["data/train-00000-of-00003.parquet", "data/train-00001-of-00003.parquet", "data/train-00002-of-00003.parquet"],
        [f"data/train-{number}-of-12.parquet" for number in range(12)],
        ["train-00000-of-00002-0ab1.parquet", "train-00001-of-00002-0ab1.parquet"],
        ["train_1.parquet", "train_2.parquet"],
    ],
)
def test_whole_sets_in_the_order_of_their_numbers(tmp_path: Path, names: list[str]) -> None:
    raw = read(place(tmp_path, names))
    assert np.array_equal(raw.train.pixels.numpy(), pixels_of(rows(3 * len(names))))
    assert raw.facts["parts"]["train"]["shards"] == len(names)


def test_numbered_files_in_a_folder(tmp_path: Path) -> None:
    for number in range(2):
        parquet(tmp_path / "default" / "train" / f"{number:04d}.parquet", rows(3, first=3 * number))
    parquet(tmp_path / "default" / "test" / "0000.parquet", rows(3, first=9))
    assert len(read(tmp_path).train) == 6
    (tmp_path / "default" / "train" / "0000.parquet").unlink()
    assert "missing: 0000.parquet" in refusal(tmp_path)


@pytest.mark.parametrize(
    ("names", "missing"),
    [
        (["data/train-00000-of-00002.parquet"], "train-00001-of-00002.parquet"),
        (["data/train-00001-of-00002.parquet"], "train-00000-of-00002.parquet"),
        (["train-00001-of-00004-ab.parquet"], "train-00000-of-00004-ab.parquet, train-00002-of-00004-ab.parquet"),
        (["train-0-of-30.parquet"], "and 19 more"),
    ],
)
def test_missing_shards_are_named(tmp_path: Path, names: list[str], missing: str) -> None:
    assert missing in refusal(place(tmp_path, names))


def test_shards_beyond_their_own_number_are_refused(tmp_path: Path) -> None:
    said = refusal(place(tmp_path, [f"data/train-{number:05d}-of-00002.parquet" for number in range(3)]))
    assert "1 shard beyond the last one that train-N-of-2 has" in said
    assert "found: data/train-00002-of-00002.parquet" in said


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["part-00000.parquet", "part-00002.parquet"], "train: 1 of the numbers 0 to 2 of part-N is not there,"),
        (["part-00001-5e.c000.snappy.parquet"], "train: 1 of the numbers 0 to 1 of part-N is not there, such as 0"),
        (["b_1.parquet", "b_9000000000.parquet"], "train: 8,999,999,998 of the numbers 1 to 9000000000 of b_N"),
        (["part-00000-5e.parquet", "part-00001-5f.parquet"], ""),
        (["b_1.parquet", "b_2.parquet"], ""),
        (["b_2019.parquet", "b_2020.parquet"], ""),
    ],
)  # fmt: skip
def test_gaps_in_numbered_files_are_said(tmp_path: Path, names: list[str], said: str) -> None:
    """Spark leaves some, so they are read."""
    for number, name in enumerate(names):
        parquet(tmp_path / "train" / name, rows(3, first=3 * number))
    parquet(tmp_path / "test" / "part-00000.parquet", rows(3, first=90))
    raw = read(tmp_path)
    assert len(raw.train) == 3 * len(names)
    notes = [note for note in raw.facts["notes"] if "not there" in note]
    assert [note[: len(said)] for note in notes] == ([said] if said else [])


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("train-00000-of-00002.parquet", "train-00000-of-00002.parquet, train-00001-of-00002.parquet"),
        ("train-00003-of-00009.parquet", "train-00000-of-00009.parquet to train-00008-of-00009.parquet"),
        ("train/0002.parquet", "0000.parquet to 0002.parquet"),
    ],
)
def test_expected_shards_are_called_as_files_are(tmp_path: Path, name: str, expected: str) -> None:
    parquet(tmp_path / name, rows(3))
    parquet(tmp_path / "test.parquet", rows(3, first=9))
    assert f"expected: {expected}\n" in refusal(tmp_path)


@pytest.mark.parametrize(
    "names",
    [
        ["data/train-00000-of-00001.parquet", "data/train-00000-of-00001-96489718122dc548.parquet"],
        ["data/train-00000-of-00001-aa.parquet", "data/train-00000-of-00001-bb.parquet"],
        ["data/train-00000-of-00001.parquet", "data/train-00000-of-00002.parquet"],
        ["train.parquet", "train-00000-of-00001.parquet"],
        ["train.parquet", "train_old.parquet"],
        ["train.parquet", "train-2.parquet"],
    ],
)
def test_sets_of_two_uploads_are_both_named(tmp_path: Path, names: list[str]) -> None:
    said = refusal(place(tmp_path, names))
    assert "2 sets of files" in said
    assert all(name in said for name in names)


def test_a_table_beside_a_folder_of_tables(tmp_path: Path) -> None:
    place(tmp_path, ["train.parquet"])
    parquet(tmp_path / "train" / "0000.parquet", rows(3))
    assert "0000.parquet" in refusal(tmp_path)
