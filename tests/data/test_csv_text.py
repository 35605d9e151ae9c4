"""Lists that cannot be read as text: told by what is wrong with them, with the command that mends it."""

from __future__ import annotations

import gzip
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from support.datasets import read, refusal
from support.pictures import picture

ROWS = {part: [f"{place}.png,{'kätz' if place % 2 else 'dog'}" for place in places] for part, places in
        (("train", range(4)), ("test", range(4, 6)))}  # fmt: skip
Change = Callable[[str], bytes]
CASES: dict[str, tuple[Change, str]] = {
    "utf-16": (lambda text: text.encode("utf-16"), "train.csv: text in UTF-16, not in UTF-8"),
    "utf-16-be": (lambda text: text.encode("utf-16-be"), "train.csv: text in UTF-16BE"),
    "utf-16-le": (lambda text: text.encode("utf-16-le"), "train.csv: text in UTF-16LE"),
    "utf-32": (lambda text: text.encode("utf-32"), "train.csv: text in UTF-32"),
    "cr": (lambda text: text.replace("\n", "\r").encode(), "lines that end as on old Macs (CR alone)"),
    "comment": (lambda text: b"# made by me\n" + text.encode(), "are in line 2, below '# made by me'"),
    "empty line": (lambda text: b"\n\n" + text.encode(), "are in line 3, below ''"),
    "excel": (lambda text: b"sep=,\r\n" + text.replace("\n", "\r\n").encode(), "are in line 2, below 'sep=,'"),
    "latin-1": (lambda text: text.encode("latin-1"), "line 3 is not UTF-8; perhaps Windows-1252"),
    "gzip": (lambda text: gzip.compress(text.encode()), "packed with gzip"),
    "workbook": (lambda text: b"PK\3\4" + text.encode(), "a workbook or a ZIP file"),
    "page": (lambda text: b"<!DOCTYPE html><title>404", "a web page"),
    "pointer": (lambda text: b"version https://git-lfs.github.com/spec/v1\noid x", "git lfs pull"),
}


def lists(root: Path, changed: dict[str, Change]) -> Path:
    for place in range(6):
        (root / f"{place}.png").write_bytes(picture(place))
    for part, lines in ROWS.items():
        text = "\n".join(["file,label", *lines]) + "\n"
        (root / f"{part}.csv").write_bytes(changed.get(part, str.encode)(text))
    return root


@pytest.mark.parametrize("case", CASES)
def test_told_with_what_to_do(tmp_path: Path, case: str) -> None:
    change, words = CASES[case]
    said = refusal(lists(tmp_path, {"train": change, "test": change}))
    assert words in said
    assert "file,label" not in said.partition("what to do")[2]
    assert max(map(len, said.splitlines())) < 600


@pytest.mark.parametrize("case", ["utf-16", "utf-16-be", "utf-16-le", "utf-32", "cr", "comment", "excel", "latin-1"])
def test_the_command_mends_it(tmp_path: Path, case: str) -> None:
    change, _ = CASES[case]
    said = refusal(lists(tmp_path, {"train": change}))
    command = next(
        part for part in said.partition("what to do: ")[2].split(": ") if part.startswith(("iconv", "tr", "tail"))
    )
    command = command.partition(" > new.csv")[0] + " > new.csv && mv new.csv train.csv"
    subprocess.run(command, shell=True, cwd=tmp_path, check=True)
    assert [one["name"] for one in read(tmp_path).facts["classes"]] == ["dog", "kätz"]


@pytest.mark.parametrize("case", ["utf-16", "cr", "comment", "latin-1"])
def test_where_only_the_test_part_is_so(tmp_path: Path, case: str) -> None:
    change, words = CASES[case]
    said = refusal(lists(tmp_path, {"test": change}))
    assert f"{tmp_path / 'test.csv'}: cannot be read as CSV" in said
    assert words.removeprefix("train.csv: ") in said


def test_columns_of_one_name(tmp_path: Path) -> None:
    lists(tmp_path, {})
    for part in ROWS:
        path = tmp_path / f"{part}.csv"
        path.write_text(path.read_text().replace("file,label", "file,label,label").replace("g,", "g,x,"))
    assert "several columns are called label" in refusal(tmp_path)


def test_other_columns_of_labels_are_said(tmp_path: Path) -> None:
    lists(tmp_path, {})
    for part in ROWS:
        path = tmp_path / f"{part}.csv"
        path.write_text(path.read_text().replace("file,", "file,class,").replace("g,", "g,x,"))
    assert read(tmp_path).facts["notes"] == ["labels are those of the column label; not used: class"]


def test_commas_in_the_names_of_columns(tmp_path: Path) -> None:
    lists(tmp_path, {})
    for part in ROWS:
        path = tmp_path / f"{part}.csv"
        path.write_text(
            path.read_text().replace("file,", '"size, in pixels",file,').replace("\n", "\n8,", len(ROWS[part]))
        )
    assert len(read(tmp_path).train) == 4


def test_rows_without_a_file(tmp_path: Path) -> None:
    lists(tmp_path, {})
    path = tmp_path / "train.csv"
    path.write_text(path.read_text().replace("1.png,", ","))
    said = refusal(tmp_path)
    assert f"{path}, row 1: names no file" in said


def test_labels_of_thousands_of_digits_are_names(tmp_path: Path) -> None:
    lists(tmp_path, {})
    for part in ROWS:
        path = tmp_path / f"{part}.csv"
        path.write_text(path.read_text().replace("dog", "9" * 5_000).replace("kätz", "1"))
    assert [len(one["name"]) for one in read(tmp_path).facts["classes"]] == [1, 5_000]
