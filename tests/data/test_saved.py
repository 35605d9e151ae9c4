"""Folders of `datasets.save_to_disk`, written here as that library does."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.datasets import content, parquet, pixels_of, read, refusal, rows

NAMES = ["cat", "dog", "eel"]
FEATURES = {"image": {"_type": "Image"}, "label": {"names": NAMES, "_type": "ClassLabel"}}


def save(root: Path, split: str, count: int, first: int, files: int = 1) -> None:
    table = pq.read_table(parquet(root.parent / "one.parquet", rows(count, first), features=FEATURES))
    (root.parent / "one.parquet").unlink()
    folder = root / split
    folder.mkdir(parents=True)
    names = [f"data-{number:05d}-of-{files:05d}.arrow" for number in range(files)]
    each = -(-count // files)
    for number, name in enumerate(names):
        part = table.slice(number * each, each)
        with pa.OSFile(str(folder / name), "wb") as sink, pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(part, max_chunksize=2)
    (folder / "state.json").write_text(
        json.dumps({"_data_files": [{"filename": name} for name in names], "_split": split})
    )
    (folder / "dataset_info.json").write_text(json.dumps({"features": FEATURES}))


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    root = tmp_path / "own"
    save(root, "train", 9, 0, files=2)
    save(root, "test", 6, 9)
    (root / "dataset_dict.json").write_text(json.dumps({"splits": ["train", "test"]}))
    return root


def test_read(saved: Path) -> None:
    raw = read(saved)
    assert raw.facts["layout"] == "datasets.save_to_disk"
    assert np.array_equal(raw.train.pixels.numpy(), pixels_of(rows(9)))
    assert [one["name"] for one in raw.facts["classes"]] == NAMES
    assert raw.facts["parts"]["train"]["shards"] == 2


def test_validation_and_nesting(saved: Path, tmp_path: Path) -> None:
    (saved / "test").rename(saved / "validation")
    raw = read(tmp_path)
    assert "validation is the held-out one" in raw.facts["notes"][0]


def test_the_identity_is_the_arrow_files(saved: Path) -> None:
    before = content(saved)
    (saved / "train" / "state.json").write_text((saved / "train" / "state.json").read_text() + "\n")
    (saved / "cache-1.txt").write_text("x")
    assert content(saved) == before


def test_missing_and_damaged_files(saved: Path) -> None:
    path = saved / "train" / "data-00001-of-00002.arrow"
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    assert "corrupt Arrow file" in refusal(saved)
    path.unlink()
    assert "missing: data-00001-of-00002.arrow" in refusal(saved)
    (saved / "train" / "state.json").write_text("{")
    assert "state.json: cannot be read" in refusal(saved)
    (saved / "train" / "state.json").write_text("[]")
    assert "a list without files" in refusal(saved)


def test_a_selection_of_rows(saved: Path) -> None:
    state = json.loads((saved / "train" / "state.json").read_text())
    (saved / "train" / "state.json").write_text(json.dumps({**state, "_indices_data_files": [{"filename": "i.arrow"}]}))
    assert "flatten_indices" in refusal(saved)


def test_one_split_alone(saved: Path) -> None:
    import shutil

    shutil.rmtree(saved / "test")
    assert "no held-out images" in refusal(saved)
