"""Where tables of a data set lie: pairs of files, configs and splits of a hub, its cache."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.datasets import content, parquet, parquet_pair, pixels_of, read, refusal, rows


def both(root: Path, train: str, test: str, **options: Any) -> Path:
    """Nine and six rows under these names."""
    parquet(root / train, rows(9), **options)
    parquet(root / test, rows(6, first=9), **options)
    return root


@pytest.mark.parametrize(
    ("train", "test"),
    [
        ("train.parquet", "test.parquet"),
        ("data/train-00000-of-00001.parquet", "data/test-00000-of-00001.parquet"),
        ("data/train-00000-of-00001-96489718122dc548.parquet", "data/test-00000-of-00001-0123456789abcdef.parquet"),
        ("plain_text/train-00000-of-00001.parquet", "plain_text/test-00000-of-00001.parquet"),
        ("mnist/train/0000.parquet", "mnist/test/0000.parquet"),
        ("default/train/0000.parquet", "default/validation/0000.parquet"),
        ("train/part-00000-1a2b.snappy.parquet", "test/part-00000-3c4d.snappy.parquet"),
        ("data/train-00000-of-00001.parquet", "data/validation-00000-of-00001.parquet"),
        ("Train.parquet", "Valid.parquet"),
        ("data/default/train-00000-of-00001.parquet", "data/default/test-00000-of-00001.parquet"),
        ("clone/data/train.parquet", "clone/data/test.parquet"),
        ("train_set.parquet", "test_set.parquet"),
        ("train.parquet/part-0.snappy.parquet", "test.parquet/part-0.snappy.parquet"),
    ],
)
def test_where_tables_lie(tmp_path: Path, train: str, test: str) -> None:
    both(tmp_path, train, test)
    (tmp_path / "README.md").write_text("# Dataset Card")
    raw = read(tmp_path)
    assert (len(raw.train), len(raw.test)) == (9, 6)
    assert np.array_equal(raw.train.pixels.numpy(), pixels_of(rows(9)))
    assert bool(raw.facts["notes"]) == ("val" in test.lower())


def test_the_identity_is_that_of_the_pair(tmp_path: Path) -> None:
    first = content(parquet_pair(tmp_path / "a"))
    second = both(tmp_path / "b", "x/train-00000-of-00001.parquet", "x/test-00000-of-00001.parquet")
    assert content(second) == first


def hub_cache(root: Path, revisions: list[str], main: str | None) -> Path:
    """`snapshots/<revision>/` with links into `blobs/`, as the hub's client keeps them."""
    for revision in revisions:
        for name, count, first in (("train", 9, 0), ("test", 6, 9)):
            blob = parquet(root / "blobs" / f"{revision}-{name}", rows(count, first))
            link = root / "snapshots" / revision / "data" / f"{name}-00000-of-00001.parquet"
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(blob)
    if main is not None:
        (root / "refs").mkdir()
        (root / "refs" / "main").write_text(main)
    return root


@pytest.mark.parametrize(("revisions", "main"), [(["a1"], "a1"), (["a1"], None), (["a1", "b2"], "b2")])
def test_caches_of_the_hub(tmp_path: Path, revisions: list[str], main: str | None) -> None:
    root = hub_cache(tmp_path / "datasets--x--y", revisions, main)
    assert len(read(root).train) == 9
    assert content(root) == content(root / "snapshots" / (main or revisions[0]))


def test_caches_of_the_hub_that_are_not_clear(tmp_path: Path) -> None:
    said = refusal(hub_cache(tmp_path, ["a1", "b2"], "c3"))
    assert "2 revisions" in said
    assert "a1, b2" in said


def test_an_incomplete_snapshot(tmp_path: Path) -> None:
    root = hub_cache(tmp_path, ["a1"], "a1")
    (root / "blobs" / "a1-train").unlink()
    assert "train-00000-of-00001.parquet" in refusal(root)


def test_several_configs_are_named(tmp_path: Path) -> None:
    for config in ("cropped", "full"):
        both(tmp_path / config, "train-00000-of-00001.parquet", "test-00000-of-00001.parquet")
    said = refusal(tmp_path)
    assert f"{tmp_path / 'cropped'}: Parquet tables" in said
    assert f"{tmp_path / 'full'}: Parquet tables" in said
    assert len(read(tmp_path / "full").train) == 9


def test_a_part_that_the_hub_converted(tmp_path: Path) -> None:
    both(tmp_path, "default/train/0000.parquet", "default/test/0000.parquet")
    parquet(tmp_path / "default" / "partial-train" / "0000.parquet", rows(3))
    assert "partial-train" in refusal(tmp_path)


def test_other_splits_are_named(tmp_path: Path) -> None:
    both(tmp_path, "data/train-00000-of-00001.parquet", "data/test-00000-of-00001.parquet")
    for name in ("extra", "validation"):
        parquet(tmp_path / "data" / f"{name}-00000-of-00001.parquet", rows(3))
    ignored = read(tmp_path).facts["ignored"]
    assert ignored["in no part of the data set"]["images"] == 1
    assert ignored["not used beside the test part: data/validation-00000-of-00001.parquet"]["images"] == 1


def test_a_table_without_a_partner(tmp_path: Path) -> None:
    parquet(tmp_path / "train.parquet", rows(6))
    assert "no held-out images" in refusal(tmp_path)
    shutil.move(tmp_path / "train.parquet", tmp_path / "data.parquet")
    assert "not a data set" in refusal(tmp_path)
