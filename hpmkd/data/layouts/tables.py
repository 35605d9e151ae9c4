"""Parquet and Arrow tables as they lie on the Hugging Face hub, in its caches, or by themselves.

`train.parquet`; `train-00000-of-00002[-hash].parquet`; `train/0000.parquet`; any Parquet files in a folder `train/`;
`NAME-train.arrow` of the cache of `datasets`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from hpmkd.config.sweep import DataConfig
from hpmkd.data.layouts.shards import gaps, ordered
from hpmkd.data.layouts.table_file import TableFile
from hpmkd.data.source.inventory import Content, Inventory, Item, Part, make
from hpmkd.data.source.listing import named
from hpmkd.data.source.parts import ANY_PART, choose, part_of
from hpmkd.data.source.tree import File, Folder, Tree
from hpmkd.errors import EnvironmentProblem

NAME = "Parquet tables"
_ARROW_NAME = "Arrow tables"
_PARQUET = re.compile(rf"^({ANY_PART})(?:[-._ 0-9].*)?\.parquet$", re.IGNORECASE)
_ARROW = re.compile(rf"^(?:.+-)?({ANY_PART})(?:-\d+-of-\d+)?\.arrow$", re.IGNORECASE)


def fits(tree: Tree, base: Folder) -> bool:
    """Whether there are tables of a training part."""
    return any(part_of(name) == "train" for name in _files(base))


def take(tree: Tree, base: Folder, config: DataConfig) -> Inventory:
    """The inventory; EnvironmentProblem where shards are missing, of two uploads, or not what they should be."""
    files = _files(base)
    partial = [name for name in base.folders if name.lower().startswith("partial-")]
    if partial:
        raise EnvironmentProblem(
            f"{base.place}: a part of the data set only, as the hub converts large ones",
            expected="all rows",
            found=named(partial),
            todo="fetch the original files of the data set",
        )
    train_name, test_name, notes = choose(base.place, files)
    notes += [note for name in (train_name, test_name) for note in gaps(files[name])]
    roots = [tree.source, *(Path(base.place),)]
    name = NAME if all(file.suffix == ".parquet" for file in files[train_name]) else _ARROW_NAME
    return inventory_of(
        tree, name, train=(train_name, ordered(files[train_name], base.place)),
        test=(test_name, ordered(files[test_name], base.place)), config=config, notes=notes, roots=roots,
    )  # fmt: skip


def _files(base: Folder) -> dict[str, list[File]]:
    """The tables of each part, by the name under which it is there."""
    found: dict[str, list[File]] = {}
    for name, file in sorted(base.files.items()):
        match = _PARQUET.match(name) or _ARROW.match(name)
        if match and file.local is not None:
            found.setdefault(match[1], []).append(file)
    for name, folder in sorted(base.folders.items()):
        inside = [file for file in folder.every_file() if file.suffix in (".parquet", ".arrow") and file.local]
        match = _PARQUET.match(name)  # Spark writes folders of this name
        if (part_of(name) or match) and inside and "state.json" not in folder.files:
            found.setdefault(match[1] if match else name, []).extend(inside)
    return found


def inventory_of(
    tree: Tree,
    layout: str,
    *,
    train: tuple[str, Sequence[File]],
    test: tuple[str, Sequence[File]],
    config: DataConfig,
    notes: list[str],
    roots: Sequence[Path],
) -> Inventory:
    """The inventory of two parts that are tables.

    Args:
        tree: all files.
        layout: its name.
        train: name and files of the training part.
        test: the same of the held-out part.
        config: what the user allows.
        notes: what a user should know.
        roots: folders below which relative paths of images lie.
    """
    tables = {name: [TableFile(file, roots) for file in files] for name, files in (train, test)}
    every = [table for part in tables.values() for table in part]
    parts = [_part(name, tables[name]) for name, _ in (train, test)]
    others = sorted({name for table in every for name in table.other_labels})
    if others:
        notes.append(f"labels are those of the column {every[0].label}; not used: {named(others)}")
    return make(tree, layout, (parts[0], parts[1]), config, notes=notes, names=_same_names(every))


def _same_names(tables: Sequence[TableFile]) -> list[str] | None:
    """The classes' names, on which all schemas must agree; with other names, a label means something else."""
    known = {tuple(table.names): table for table in tables if table.names}
    if len(known) > 1:
        (first, one), (second, other) = list(known.items())[:2]
        differ = next((pair for pair in zip(first, second, strict=False) if pair[0] != pair[1]), ("", ""))
        raise EnvironmentProblem(
            f"{other.file.place}: other class names than in {one.file.place}",
            expected=f"{len(first)} classes: {named(first)}",
            found=f"{len(second)} classes: {named(second)}" + f" ({differ[0]!r} is {differ[1]!r})" * any(differ),
            todo="write both parts with the same classes in the same order",
        )
    return list(next(iter(known))) if known else None


def _part(name: str, tables: Sequence[TableFile]) -> Part:
    items = [Item(table.file, row, label) for table in tables for row, label in enumerate(table.labels())]
    referred = [file for table in tables for file in table.references()]

    def contents() -> Iterator[Content]:
        for table in tables:
            yield from table.contents()

    return Part(name, items, contents, [*(table.file for table in tables), *referred], shards=len(tables))
