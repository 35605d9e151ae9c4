"""`train.csv` and `test.csv` that list image files with their labels."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import csv

from hpmkd.config.sweep import DataConfig
from hpmkd.data.inventory import Content, Inventory, Item, Part, make
from hpmkd.data.layouts.cells import need_paths
from hpmkd.data.layouts.parts import choose, part_of
from hpmkd.data.layouts.table_file import resolve
from hpmkd.data.listing import named
from hpmkd.data.tree import File, Folder, Tree
from hpmkd.errors import EnvironmentProblem

NAME = "CSV lists"
_FILE_NAMES = (
    *("file", "filename", "file_name", "filepath", "file_path", "filepaths", "path"),
    *("image", "image_path", "image_name", "img"),
)
_LABEL_NAMES = ("label", "labels", "class", "class_name", "target", "category")
_INTEGER = re.compile(r"^-?(0|[1-9]\d*)$")
_NUMBER = re.compile(r"^-?\d+\.\d*$")


def fits(tree: Tree, base: Folder) -> bool:
    """Whether there is a list of training files with labels."""
    return any(part_of(_stem(file)) == "train" and _columns(_header(file)) is not None for file in _lists(base))


def nearly(base: Folder) -> dict[str, list[str]]:
    """Lists that cannot be used as they are, with the fields of their first line: those of a part without the names of
    its columns, or, where there is none for a part, those of all images."""
    files = [file for file in base.files.values() if file.suffix in (".csv", ".tsv") and file.local is not None]
    lists = {file.name: _header(file) for file in sorted(files, key=lambda one: one.name)}
    of_parts = {name for name in lists if part_of(name.rpartition(".")[0])}
    if of_parts:
        return {name: lists[name] for name in lists if name in of_parts and _columns(lists[name]) is None}
    return {name: names for name, names in lists.items() if _columns(names) is not None}


def take(tree: Tree, base: Folder, config: DataConfig) -> Inventory:
    """The inventory; EnvironmentProblem where a list cannot be read."""
    lists = {_stem(file): file for file in _lists(base)}
    train_name, test_name, notes = choose(base.place, map(_stem, _lists(base)))
    rows = {name: _rows(lists[name]) for name in (train_name, test_name)}
    labels = [label for part in rows.values() for _, label in part]
    as_number = _converter(labels)
    parts = []
    for name in (train_name, test_name):
        same = [Path(base.place) / folder for folder in base.folders if part_of(folder) == part_of(name)]
        roots = [tree.source, Path(base.place), *same]
        items = [Item(lists[name], row, as_number(label)) for row, (_, label) in enumerate(rows[name])]
        files = [resolve(file, roots, item.where) for item, (file, _) in zip(items, rows[name], strict=True)]
        lost = [(row, file.path) for row, file in enumerate(files) if file.local is None]
        need_paths(lists[name].place, _name_of_files(lists[name]), lost)
        parts.append(Part(name, items, functools.partial(_contents, files), [lists[name], *files], lists=True))
    return make(tree, NAME, (parts[0], parts[1]), config, notes=notes)


def _contents(files: list[File]) -> Iterator[Content]:
    return iter(files)


def _lists(base: Folder) -> list[File]:
    found = [file for file in base.files.values() if file.suffix in (".csv", ".tsv") and file.local is not None]
    return [file for file in found if part_of(_stem(file))]


def _stem(file: File) -> str:
    return file.name.rpartition(".")[0]


def _header(file: File) -> list[str]:
    """The names in the first line; separated by commas, semicolons or tabs, whichever there are most of."""
    try:
        first = file.read().split(b"\n", 1)[0].decode("utf-8-sig", "replace").strip()
    except OSError:
        return []
    return [name.strip().strip('"') for name in first.split(_separator(first))]


def _separator(line: str) -> str:
    return max(",;\t", key=line.count)


def _columns(names: list[str]) -> tuple[int, int] | None:
    """The places of files and labels."""
    lower = [name.lower() for name in names]
    files = [lower.index(name) for name in _FILE_NAMES if name in lower]
    labels = [lower.index(name) for name in _LABEL_NAMES if name in lower]
    return (files[0], labels[0]) if files and labels else None


def _name_of_files(file: File) -> str:
    """The name of its column of files."""
    names = _header(file)
    columns = _columns(names)
    return names[columns[0]] if columns else ""


def _rows(file: File) -> list[tuple[str, str]]:
    names = _header(file)
    columns = _columns(names)
    if columns is None:
        raise EnvironmentProblem(
            f"{file.place}: unexpected columns",
            expected="a first line with the names file and label",
            found=named(names),
            todo="rename the columns; a list without labels cannot be used",
        )
    text = [str(number) for number in range(len(names))]
    try:
        table = csv.read_csv(
            pa.BufferReader(file.read()),
            read_options=csv.ReadOptions(column_names=text, skip_rows=1),
            parse_options=csv.ParseOptions(delimiter=_separator(_first_line(file)), newlines_in_values=True),
            convert_options=csv.ConvertOptions(column_types=dict.fromkeys(text, pa.string())),
        )
    except (OSError, ValueError, pa.ArrowException) as error:
        raise EnvironmentProblem(
            f"{file.place}: cannot be read as CSV",
            expected="UTF-8 text, as many values in each line as in the first",
            found=str(error).splitlines()[0],
            todo="correct the file",
        ) from error
    places, labels = (table.column(place).to_pylist() for place in columns)
    return list(zip(places, labels, strict=True))


def _first_line(file: File) -> str:
    return file.read().split(b"\n", 1)[0].decode("utf-8-sig", "replace")


def _converter(labels: list[str]) -> Any:
    """Labels are numbers if all of them are; names else."""
    if labels and all(_INTEGER.match(label) for label in labels):
        return int
    if labels and all(_INTEGER.match(label) or _NUMBER.match(label) for label in labels):
        return float
    return str
