"""`train.csv` and `test.csv` that list image files with their labels."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import csv

from hpmkd.config.sweep import DataConfig
from hpmkd.data.layouts.csv_text import Trouble, columns, first_line, header, label_of, other_labels, separator, trouble
from hpmkd.data.layouts.table_file import resolve
from hpmkd.data.source.cells import need_paths
from hpmkd.data.source.inventory import Content, Inventory, Item, Part, make
from hpmkd.data.source.listing import named
from hpmkd.data.source.parts import choose, part_of
from hpmkd.data.source.tree import File, Folder, Tree
from hpmkd.errors import EnvironmentProblem

NAME = "CSV lists"
_INTEGER = re.compile(r"^-?(0|[1-9]\d{0,999})$")  # longer ones Python reads as numbers on demand only
_NUMBER = re.compile(r"^-?\d+\.\d*$")


def fits(tree: Tree, base: Folder) -> bool:
    """Whether there is a list of training files with labels."""
    return any(part_of(_stem(file)) == "train" and columns(_header(file)) is not None for file in _lists(base))


def nearly(base: Folder) -> dict[str, list[str]]:
    """Lists that cannot be used as they are, with the fields of their first line: those of a part without the names of
    its columns, or, where there is none for a part, those of all images."""
    files = [file for file in base.files.values() if file.suffix in (".csv", ".tsv") and file.local is not None]
    lists = {file.name: _header(file) for file in sorted(files, key=lambda one: one.name)}
    of_parts = {name for name in lists if part_of(name.rpartition(".")[0])}
    if of_parts:
        return {name: lists[name] for name in lists if name in of_parts and columns(lists[name]) is None}
    return {name: names for name, names in lists.items() if columns(names) is not None}


def take(tree: Tree, base: Folder, config: DataConfig) -> Inventory:
    """The inventory; EnvironmentProblem where a list cannot be read."""
    lists = {_stem(file): file for file in _lists(base)}
    train_name, test_name, notes = choose(base.place, map(_stem, _lists(base)))
    rows = {name: _rows(lists[name]) for name in (train_name, test_name)}
    labels = [label for part in rows.values() for _, label in part]
    as_number = _converter(labels)
    names = _header(lists[train_name])
    others = other_labels(names)
    notes += [f"labels are those of the column {label_of(names)}; not used: {named(others)}"] if others else []
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


def _data(file: File) -> bytes:
    try:
        return file.read()
    except OSError:
        return b""


def _header(file: File) -> list[str]:
    return header(_data(file))


def troubles(base: Folder, names: Iterable[str]) -> dict[str, Trouble]:
    """What keeps lists from being read as text, of those of which it is known."""
    found = {name: trouble(_data(base.files[name]), name) for name in names}
    return {name: one for name, one in found.items() if one is not None}


def _name_of_files(file: File) -> str:
    """The name of its column of files."""
    names = _header(file)
    places = columns(names)
    return names[places[0]] if places else ""


def _rows(file: File) -> list[tuple[str, str]]:
    data, names = _data(file), _header(file)
    places = columns(names)
    if places is None:
        known = trouble(data, file.name)
        raise EnvironmentProblem(
            f"{file.place}: {'cannot be read as CSV' if known else 'unexpected columns'}",
            expected="a first line with the names file and label",
            found=known.found if known else named(names),
            todo=known.todo if known else "rename the columns; a list without labels cannot be used",
        )
    twice = [name for name in dict.fromkeys(names) if names.count(name) > 1 and names.index(name) in places]
    if twice:
        raise EnvironmentProblem(
            f"{file.place}: several columns are called {named(twice)}",
            expected="one column of files and one of labels",
            found=named(names),
            todo="give the columns that are not wanted another name",
        )
    table = _table(file, data, len(names))
    files, labels = (table.column(place).to_pylist() for place in places)
    return list(zip(files, labels, strict=True))


def _table(file: File, data: bytes, width: int) -> pa.Table:
    """All values as texts, in columns that are called by their places."""
    text = [str(number) for number in range(width)]
    try:
        return csv.read_csv(
            pa.BufferReader(data),
            read_options=csv.ReadOptions(column_names=text, skip_rows=1),
            parse_options=csv.ParseOptions(delimiter=separator(first_line(data)), newlines_in_values=True),
            convert_options=csv.ConvertOptions(column_types=dict.fromkeys(text, pa.string())),
        )
    except (OSError, ValueError, pa.ArrowException) as error:
        known = trouble(data, file.name)
        raise EnvironmentProblem(
            f"{file.place}: cannot be read as CSV",
            expected="UTF-8 text, as many values in each line as in the first",
            found=known.found if known else str(error).splitlines()[0],
            todo=known.todo if known else "correct the file",
        ) from error


def _converter(labels: list[str]) -> Any:
    """Labels are numbers if all of them are; names else."""
    if labels and all(_INTEGER.match(label) for label in labels):
        return int
    if labels and all(_INTEGER.match(label) or _NUMBER.match(label) for label in labels):
        return float
    return str
