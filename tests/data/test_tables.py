"""Parquet and Arrow files as they lie on the hub, in its caches, and by themselves."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.datasets import content, encoded, opened, parquet, parquet_pair, pixels_of, read, refusal, rows
from support.pictures import picture

from hpmkd.config.sweep import DataConfig
from hpmkd.data.layouts.detect import take_inventory
from hpmkd.errors import EnvironmentProblem

NAMES = ["cat", "dog", "eel"]
FEATURES = {"image": {"_type": "Image"}, "label": {"names": NAMES, "_type": "ClassLabel"}}


@pytest.mark.parametrize(
    "names", [("img", "label"), ("image", "fine_label"), ("images", "labels"), ("picture", "target")]
)
def test_other_common_column_names(tmp_path: Path, names: tuple[str, str]) -> None:
    assert len(read(parquet_pair(tmp_path, image=names[0], label=names[1])).train) == 9


def test_labels_that_are_not_used_are_named(tmp_path: Path) -> None:
    """As CIFAR-100 has them on the hub."""
    coarse = {"coarse_label": {"names": ["a"], "_type": "ClassLabel"}}
    features = {"img": {"_type": "Image"}, "fine_label": {"names": NAMES, "_type": "ClassLabel"}, **coarse}
    raw = read(parquet_pair(tmp_path, image="img", label="fine_label", features=features))
    assert raw.facts["notes"] == ["labels are those of the column fine_label; not used: coarse_label"]


def test_columns_by_the_hubs_schema(tmp_path: Path) -> None:
    features = {"photo": {"_type": "Image"}, "species": {"names": NAMES, "_type": "ClassLabel"}}
    raw = read(parquet_pair(tmp_path, image="photo", label="species", features=features))
    assert [one["name"] for one in raw.facts["classes"]] == NAMES


def test_names_of_the_hubs_schema(tmp_path: Path) -> None:
    raw = read(parquet_pair(tmp_path, features=FEATURES))
    assert [one["name"] for one in raw.facts["classes"]] == NAMES
    assert raw.facts["notes"] == []


def test_test_rows_without_labels(tmp_path: Path) -> None:
    parquet_pair(tmp_path, features=FEATURES)
    parquet(tmp_path / "test.parquet", rows(6), value=lambda label: -1, features=FEATURES)
    assert "test.parquet, row 0: -1 (the hub's mark for `no label`)" in refusal(tmp_path)


def test_schemas_that_disagree(tmp_path: Path) -> None:
    parquet_pair(tmp_path, features=FEATURES)
    other = {**FEATURES, "label": {"names": ["dog", "cat", "eel"], "_type": "ClassLabel"}}
    parquet(tmp_path / "test.parquet", rows(6), features=other)
    said = refusal(tmp_path)
    assert "other class names" in said
    assert "'cat' is 'dog'" in said


@pytest.mark.parametrize(
    ("value", "classes"),
    [
        (lambda label: NAMES[label], NAMES),
        (lambda label: label + 1, ["1", "2", "3"]),
        (lambda label: 2110341 + label, ["2110341", "2110342", "2110343"]),
        (float, ["0", "1", "2"]),
        (lambda label: [int(place == label) for place in range(3)], ["0", "1", "2"]),
        (lambda label: [float(place == label) for place in range(3)], ["0", "1", "2"]),
    ],
)
def test_labels_of_every_kind(tmp_path: Path, value: Any, classes: list[str]) -> None:
    raw = read(parquet_pair(tmp_path, value=value))
    assert raw.train.labels.tolist() == [0, 1, 2] * 3
    assert [one["name"] for one in raw.facts["classes"]] == classes


def test_labels_in_a_dictionary(tmp_path: Path) -> None:
    for part, count in (("train", 9), ("test", 6)):
        parquet(tmp_path / f"{part}.parquet", rows(count), value=lambda label: NAMES[label])
        table = pq.read_table(tmp_path / f"{part}.parquet")
        coded = table.set_column(1, "label", table.column("label").dictionary_encode())
        pq.write_table(coded, tmp_path / f"{part}.parquet")
    assert [one["name"] for one in read(tmp_path).facts["classes"]] == NAMES


def test_bad_labels_are_named_with_their_rows(tmp_path: Path) -> None:
    parquet_pair(tmp_path, value=lambda label: label + 0.5)
    assert "train.parquet, row 0: 0.5 is not a whole number" in refusal(tmp_path)
    parquet(tmp_path / "test.parquet", rows(6), value=lambda label: None if label == 1 else label)
    parquet(tmp_path / "train.parquet", rows(9))
    said = refusal(tmp_path)
    assert "2 of 15 labels" in said
    assert "test.parquet, row 1: no label" in said


@pytest.mark.parametrize("struct", [True, False])
@pytest.mark.parametrize("place", ["images", "."])
def test_rows_that_refer_to_files(tmp_path: Path, struct: bool, place: str) -> None:
    """Relative to the data set, or to the table; the files are part of the identity."""
    root = tmp_path / "own"

    def cell(data: bytes) -> Any:
        numbers = [number for number in range(15) if picture(number) == data]
        path = root / place / f"{numbers[0]}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        text = path.relative_to(root).as_posix()
        return {"bytes": None, "path": text} if struct else text

    parquet_pair(root, cell=cell)
    raw = read(root)
    assert np.array_equal(raw.train.pixels.numpy(), pixels_of(rows(9)))
    assert "in no part of the data set" not in raw.facts["ignored"]
    before = content(root)
    (root / place / "3.png").write_bytes(picture(88))
    assert content(root) != before
    (root / place / "3.png").unlink()
    said = refusal(root)
    assert "train.parquet, row 3: names " in said
    assert "3.png, which is not there" in said
    assert "put the files there" in said


def test_some_rows_hold_images_and_some_refer(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(picture(50))
    parquet_pair(
        tmp_path,
        cell=lambda data: {"bytes": None, "path": "a.png"} if data == picture(4) else {"bytes": data, "path": "x"},
    )
    raw = read(tmp_path)
    assert np.array_equal(raw.train.pixels[4].numpy(), np.asarray(opened(picture(50))))
    assert np.array_equal(raw.train.pixels[5].numpy(), np.asarray(opened(picture(5))))


def grey(data: bytes) -> np.ndarray:
    return np.asarray(opened(data).convert("L"))


@pytest.mark.parametrize(
    ("cell", "shape"),
    [
        (lambda data: grey(data).tolist(), (8, 8, 1)),
        (lambda data: np.asarray(opened(data)).tolist(), (8, 8, 3)),
        (lambda data: np.asarray(opened(data)).transpose(2, 0, 1).tolist(), (8, 8, 3)),
        (lambda data: (np.asarray(opened(data)) / 255).tolist(), (8, 8, 3)),
        (lambda data: data, (8, 8, 3)),
        (lambda data: {"bytes": data}, (8, 8, 3)),
    ],
)
def test_images_of_every_kind(tmp_path: Path, cell: Any, shape: tuple[int, ...]) -> None:
    raw = read(parquet_pair(tmp_path, cell=cell))
    assert raw.train.pixels.shape[1:] == shape
    expected = grey(picture(0))[..., None] if shape[2] == 1 else np.asarray(opened(picture(0)))
    assert np.array_equal(raw.train.pixels[0].numpy(), expected)


@pytest.mark.parametrize(
    ("cell", "word"),
    [
        (lambda data: [[1, 2], [3]], "rows of different lengths"),
        (lambda data: [[0, 300], [1, 2]], "whole numbers from 0 to 300"),
        (lambda data: [[0.5, 7.5], [1, 2]], "floats from 0.5 to 7.5"),
        (lambda data: [1, 2, 3], "an array of shape (3,)"),
        (lambda data: {"bytes": None, "path": None}, "no image"),
        (lambda data: None if data == picture(0) else data, "row 0: no image"),
        (lambda data: 7, "a int, not an image"),
        (lambda data: "", "train.parquet, row 0: "),
        (lambda data: "a\0b", "a\\x00b: "),  # and what Python says of it
        (lambda data: b"", "an empty file"),
    ],
)
def test_images_of_no_kind(tmp_path: Path, cell: Any, word: str) -> None:
    assert word in refusal(parquet_pair(tmp_path, cell=cell))


def test_empty_cells_are_not_lost(tmp_path: Path) -> None:
    table = pa.table({"image": [{"bytes": picture(0)}, None], "label": [0, 1]})
    parquet_pair(tmp_path)
    pq.write_table(table, tmp_path / "test.parquet")
    said = refusal(tmp_path, allow_empty_classes=True)
    assert "1 of 11 images" in said
    assert "test.parquet, row 1: no image" in said


@pytest.mark.parametrize("at", ["start", "middle", "end", "pointer", "empty"])
def test_damaged_tables(tmp_path: Path, at: str) -> None:
    parquet_pair(tmp_path)
    path = tmp_path / "train.parquet"
    data = bytearray(path.read_bytes())
    if at == "middle":
        data[40:200] = bytes(160)
    kept = {
        "start": data[100:],
        "middle": data,
        "end": data[:-60],
        "empty": b"",
        "pointer": b"version https://git-lfs.github.com/spec/v1\n",
    }
    path.write_bytes(kept[at])
    said = refusal(tmp_path)
    assert "train.parquet" in said
    assert ("git lfs pull" in said) == (at == "pointer")


@pytest.mark.parametrize("mask", [0x01, 0xFF])
def test_any_damaged_byte_loses_no_row(tmp_path: Path, mask: int) -> None:
    """Of some, pyarrow says nothing, and gives a column with fewer values."""
    parquet_pair(tmp_path, cell=lambda data: saved(tmp_path, data))
    path = tmp_path / "train.parquet"
    whole, counts = path.read_bytes(), set[int]()
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ mask]) + whole[place + 1 :])
        try:
            inventory = take_inventory(tmp_path, DataConfig(allow_empty_classes=True))
            counts.add(len(list(inventory.train.contents())) - len(inventory.train.items))
            counts.add(len(inventory.train.items) - 9)
        except EnvironmentProblem:
            continue
    assert counts == {0}


def saved(root: Path, data: bytes) -> str:
    """A path instead of an image, so that a table is short."""
    path = root / f"{hash(data)}.png"
    path.write_bytes(data)
    return path.name


@pytest.mark.parametrize("name", ["image", "label", "bytes", "extra"])
@pytest.mark.parametrize("form", ["parquet", "arrow"])
def test_a_name_in_a_schema_that_is_no_text(tmp_path: Path, form: str, name: str) -> None:
    """One flipped bit can make it so; pyarrow decodes names late, one by one."""
    cells = [{"bytes": data, "path": None} for data, _ in rows(9)]
    table = pa.table({"image": cells, "label": [label for _, label in rows(9)], "extra": range(9)})
    for part in ("train", "test"):
        place = tmp_path / f"data-{part}.{form}" if form == "arrow" else tmp_path / f"{part}.{form}"
        if form == "parquet":
            pq.write_table(table, place)
        else:
            with pa.OSFile(str(place), "wb") as file, pa.ipc.new_stream(file, table.schema) as writer:
                writer.write_table(table)
        spoiled = b"\xe9" + name.encode()[1:]
        place.write_bytes(place.read_bytes().replace(name.encode(), spoiled))
    said = refusal(tmp_path)
    assert f"corrupt {form.capitalize()} file" in said or "no image" in said


def test_other_columns(tmp_path: Path) -> None:
    parquet_pair(tmp_path)
    pq.write_table(pa.table({"x": [1], "y": [2]}), tmp_path / "test.parquet")
    said = refusal(tmp_path)
    assert "unexpected columns" in said
    assert "found: x, y" in said


def test_no_rows(tmp_path: Path) -> None:
    parquet_pair(tmp_path)
    pq.write_table(pq.read_table(tmp_path / "test.parquet").slice(0, 0), tmp_path / "test.parquet")
    assert "no images in test" in refusal(tmp_path)


def test_arrow_files_of_the_cache_of_datasets(tmp_path: Path) -> None:
    """`NAME-train.arrow`, a stream, some folders down."""
    folder = tmp_path / "0.0.0" / "77f3"
    folder.mkdir(parents=True)
    parquet_pair(tmp_path / "as-parquet", features=FEATURES)
    for part in ("train", "test"):
        table = pq.read_table(tmp_path / "as-parquet" / f"{part}.parquet")
        with (
            pa.OSFile(str(folder / f"mnist-{part}.arrow"), "wb") as sink,
            pa.ipc.new_stream(sink, table.schema) as writer,
        ):
            writer.write_table(table)
    (folder / "dataset_info.json").write_text("{}")
    shutil.rmtree(tmp_path / "as-parquet")
    raw = read(tmp_path)
    assert np.array_equal(raw.train.pixels.numpy(), pixels_of(rows(9)))
    assert [one["name"] for one in raw.facts["classes"]] == NAMES


def test_jpegs_are_decoded_as_pillow_does(tmp_path: Path) -> None:
    raw = read(parquet_pair(tmp_path, cell=lambda data: {"bytes": encoded(opened(data), "JPEG"), "path": "a.jpg"}))
    assert np.array_equal(raw.train.pixels[3].numpy(), np.asarray(opened(encoded(opened(picture(3)), "JPEG"))))


@pytest.mark.parametrize("kind", ["string", "large_string", "string_view", "dictionary", "struct of dictionary"])
def test_files_that_rows_name_are_part_of_the_identity(kind: str, tmp_path: Path) -> None:
    """However the column of paths is stored: what they hold is what is trained on."""
    if kind == "string_view" and not hasattr(pa, kind):
        pytest.skip("this pyarrow has none")
    for number in range(15):
        (tmp_path / f"{number}.png").write_bytes(picture(number))
    for name, numbers in (("train", range(9)), ("test", range(9, 15))):
        paths = pa.array([f"{number}.png" for number in numbers])
        column = paths.dictionary_encode() if kind.endswith("dictionary") else paths.cast(getattr(pa, kind)())
        if kind.startswith("struct"):
            column = pa.StructArray.from_arrays([column], names=["path"])
        pq.write_table(pa.table({"image": column, "label": [n % 3 for n in numbers]}), tmp_path / f"{name}.parquet")
    assert len(read(tmp_path).train) == 9
    before = content(tmp_path)
    (tmp_path / "3.png").write_bytes(picture(99))
    assert content(tmp_path) != before
    (tmp_path / "3.png").unlink()
    assert "3.png" in refusal(tmp_path)


@pytest.mark.parametrize("name", ["image", "label"])
def test_two_columns_of_one_name(tmp_path: Path, name: str) -> None:
    """Nothing says which is meant."""
    parquet_pair(tmp_path)
    for part in ("train", "test"):
        table = pq.read_table(tmp_path / f"{part}.parquet")
        pq.write_table(table.append_column(name, table.column(name)), tmp_path / f"{part}.parquet")
    said = refusal(tmp_path)
    assert f"train.parquet: several columns are called {name}" in said
    assert "another name" in said
