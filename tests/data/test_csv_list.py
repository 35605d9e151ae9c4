"""Lists of files with their labels, as contests and annotation tools write them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.datasets import content, pixels_of, read, refusal, rows
from support.pictures import picture

NAMES = ("cat", "dog", "eel")


def lists(
    root: Path,
    head: str = "file,label",
    line: str = "{file},{label}",
    folder: str = "images",
    value: Any = str,
    test: str = "test",
    encoding: str = "utf-8",
) -> Path:
    """`train.csv` of nine and `test.csv` of six lines, and the images."""
    for name, count, first in (("train", 9, 0), (test, 6, 9)):
        lines = [head]
        for number, (data, label) in enumerate(rows(count, first), first):
            place = root / folder.format(part=name) / f"{number}.png"
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(data)
            lines.append(line.format(file=place.relative_to(root).as_posix(), name=place.name, label=value(label)))
        (root / f"{name}.csv").write_bytes("\r\n".join([*lines, ""]).encode(encoding))
    return root


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"head": "filename,class", "value": NAMES.__getitem__},
        {"head": "id,image_path,label", "line": "7,{file},{label}"},
        {"head": "label;file", "line": "{label};{file}"},
        {"head": "label\tpath", "line": "{label}\t{file}"},
        {"head": '"File","Label"', "line": '"{file}","{label}"'},
        {"encoding": "utf-8-sig"},
        {"folder": "{part}", "line": "{name},{label}"},
        {"folder": ".", "line": "{file},{label}"},
        {"folder": "a/b", "line": "./a//b/{name},{label}"},
        {"folder": "a/b", "line": "a\\b\\{name},{label}"},
        {"test": "val"},
        {"value": lambda label: label + 1},
        {"value": float},
        {"value": ("null", "NAN1", "none").__getitem__},
        {"value": ("007", "08", "1e5").__getitem__},
    ],
)
def test_lists_of_every_kind(tmp_path: Path, options: dict[str, Any]) -> None:
    raw = read(lists(tmp_path, **options))
    assert raw.facts["layout"] == "CSV lists"
    expected = [0, 1, 2] * 3
    if options.get("value") == ("null", "NAN1", "none").__getitem__:
        expected = [2, 0, 1] * 3
    assert raw.train.labels.tolist() == expected
    assert np.array_equal(raw.train.pixels.numpy(), pixels_of(rows(9)))
    assert raw.facts["ignored"].get("in no part of the data set") is None


def test_the_files_are_part_of_the_identity(tmp_path: Path) -> None:
    before = content(lists(tmp_path))
    (tmp_path / "images" / "77.png").write_bytes(picture(77))
    assert content(tmp_path) == before, "one that no line names"
    (tmp_path / "images" / "4.png").write_bytes(picture(77))
    assert content(tmp_path) != before


def test_missing_files_are_all_named(tmp_path: Path) -> None:
    lists(tmp_path)
    for number in (2, 5, 11):
        (tmp_path / "images" / f"{number}.png").unlink()
    said = refusal(tmp_path)
    assert "3 of 15 images" in said
    for row, number in (("train.csv, row 2", 2), ("train.csv, row 5", 5), ("test.csv, row 2", 11)):
        assert f"{tmp_path}/{row}: names {tmp_path}/images/{number}.png, which is not there" in said
    assert "put the files there, or correct or delete the rows" in said
    assert "replace" not in said


def test_damaged_images_are_named_with_row_and_file(tmp_path: Path) -> None:
    lists(tmp_path)
    (tmp_path / "images" / "2.png").write_bytes(b"x")
    said = refusal(tmp_path)
    assert "train.csv, row 2: not an image" in said
    assert "images/2.png" in said


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("file,label\nimages/9.png\n", "cannot be read as CSV"),
        ("file,label\n\xff.png,1\n", "cannot be read as CSV"),
        ("id\n1\n", "unexpected columns"),
        ("", "unexpected columns"),
        ("file,label\n", "no images in test"),
        ("file,label\nimages/9.png,\n", "test.csv, row 0: no label"),
        ("file,label\nimages/9.png,0.5\nimages/10.png,1\n", "row 0: 0.5 is not a whole number"),
    ],
)
def test_lists_of_no_kind(tmp_path: Path, text: str, word: str) -> None:
    lists(tmp_path)
    (tmp_path / "test.csv").write_bytes(text.encode("latin-1"))
    assert word in refusal(tmp_path)


@pytest.mark.parametrize("word", ["nan", "NA", "None", " <NA> "])
@pytest.mark.parametrize("names", [("0", "1", "2"), NAMES])
def test_what_pandas_writes_for_no_label(tmp_path: Path, word: str, names: tuple[str, ...]) -> None:
    """One such cell makes no class, and no texts of the numbers in the other rows."""
    lists(tmp_path, value=names.__getitem__)
    text = (tmp_path / "train.csv").read_text().splitlines()
    text[3] = f"{text[3].rpartition(',')[0]},{word}"
    (tmp_path / "train.csv").write_text("\n".join([*text, ""]))
    said = refusal(tmp_path)
    assert "1 of 15 labels cannot be used" in said
    assert f"train.csv, row 2: no label ({word!r})" in said


def test_a_list_beside_class_folders_is_one_too_many(tmp_path: Path) -> None:
    lists(tmp_path)
    for part in ("train", "test"):
        for name in NAMES:
            (tmp_path / part / name).mkdir(parents=True)
            (tmp_path / part / name / "a.png").write_bytes(picture(5))
    said = refusal(tmp_path)
    assert "more than one data set" in said
    assert "CSV lists" in said
    assert "image folders" in said


def test_two_lists_of_one_part(tmp_path: Path) -> None:
    lists(tmp_path)
    (tmp_path / "train.tsv").write_bytes((tmp_path / "train.csv").read_bytes())
    assert "the same part under two names" in refusal(tmp_path)
