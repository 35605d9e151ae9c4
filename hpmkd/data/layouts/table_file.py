"""One Parquet or Arrow file with images and labels in its rows, read by pyarrow in batches."""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from hpmkd.data.source.cells import LFS_POINTER, need_paths
from hpmkd.data.source.inventory import Content, Problem
from hpmkd.data.source.listing import cut, named
from hpmkd.data.source.regular import read_regular
from hpmkd.data.source.tree import File, local_file
from hpmkd.errors import EnvironmentProblem

IMAGE_NAMES = ("image", "img", "images", "picture", "pixels")
LABEL_NAMES = ("label", "labels", "fine_label", "class", "target", "category")
# Columns that hold an image or its pixels; any other column may name a file.
_IMAGES = (
    pa.types.is_binary, pa.types.is_large_binary, pa.types.is_fixed_size_binary,
    getattr(pa.types, "is_binary_view", pa.types.is_binary),  # pyarrow 10 has none
    pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list,
)  # fmt: skip
_BATCH = 500
_LONGEST_PATH = 300  # of one that is not there, in messages
_T = TypeVar("_T")


class TableFile:
    """A table with a column of images and one of labels.

    Args:
        file: where it lies.
        roots: folders below which relative paths of images lie.

    Raises:
        EnvironmentProblem: a corrupt file, or other columns.
    """

    def __init__(self, file: File, roots: Sequence[Path]) -> None:
        assert file.local is not None
        self.file, self.path, self.roots = file, file.local, roots
        schema = self._safely(self._schema)
        self.features = _features(schema)
        (self.image, *_), (self.label, *self.other_labels) = self._columns(schema)
        self.kind = schema.field(self.image).type

    @functools.cached_property
    def names(self) -> list[str] | None:
        """The classes' names in the hub's schema; None where it has none."""
        found = self.features.get(self.label)
        names = found.get("names") if isinstance(found, dict) else None
        return [str(name) for name in names] if isinstance(names, list) and names else None

    def labels(self) -> list[Any]:
        """The raw label of each row."""

        def read() -> list[Any]:
            return [value for column in self._batches(self.label) for value in column.to_pylist()]

        return self._safely(read)

    def references(self) -> list[File]:
        """The files that rows refer to instead of holding an image."""
        if not self._may_refer():
            return []

        def read() -> list[Any]:
            return [path for column in self._batches(self.image) for path in _paths(column)]

        texts = [(row, path) for row, path in enumerate(self._safely(read)) if isinstance(path, str) and path]
        files = [self._resolve(path, row) for row, path in texts]
        lost = [text for text, file in zip(texts, files, strict=True) if file.local is None]
        need_paths(self.file.place, self.image, lost)
        return files

    def contents(self) -> Iterator[Content]:
        """What each row holds."""
        batches, row = self._safely(lambda: self._batches(self.image)), -1
        while (column := self._safely(lambda: next(batches, None))) is not None:
            for cell in self._safely(column.to_pylist):
                yield self._content(cell, row := row + 1)

    def _content(self, cell: Any, row: int) -> Content:
        if isinstance(cell, dict):
            cell = cell.get("bytes") if cell.get("bytes") is not None else cell.get("path")
        if isinstance(cell, bytes):
            return cell
        if isinstance(cell, str):
            return self._resolve(cell, row)
        if isinstance(cell, list):
            return _pixels(cell)
        return Problem("no image" if cell is None else f"a {type(cell).__name__}, not an image")

    def _resolve(self, text: str, row: int) -> File:
        """The file that a row refers to, relative to the data set or to the table; absolute paths as they are."""
        return resolve(text, [*self.roots, self.path.parent], f"{self.file.place}, row {row}")

    def _may_refer(self) -> bool:
        """Whether a row may lack the bytes of its image; Parquet counts its nulls."""
        if not pa.types.is_struct(self.kind):
            return not any(holds(self.kind) for holds in _IMAGES)
        if self.path.suffix != ".parquet":
            return True
        return self._safely(self._may_have_nulls)

    def _may_have_nulls(self) -> bool:
        meta = pq.ParquetFile(self.path).metadata
        groups = [meta.row_group(number) for number in range(meta.num_row_groups)]
        columns = [group.column(place) for group in groups for place in range(group.num_columns)]
        wanted = [column for column in columns if column.path_in_schema == f"{self.image}.bytes"]
        return not wanted or any(one.statistics is None or one.statistics.null_count != 0 for one in wanted)

    def _columns(self, schema: pa.Schema) -> tuple[list[str], list[str]]:
        """The columns of images and labels, by their names, else by the hub's schema."""
        by_kind = {
            kind: [name for name, one in self.features.items() if isinstance(one, dict) and one.get("_type") == kind]
            for kind in ("Image", "ClassLabel")
        }
        images = [name for name in IMAGE_NAMES if name in schema.names] or by_kind["Image"]
        labels = [name for name in LABEL_NAMES if name in schema.names] or by_kind["ClassLabel"]
        if not images or not labels:
            raise EnvironmentProblem(
                f"{self.file.place}: unexpected columns",
                expected="image (encoded, as a path, or as a list of rows) and label",
                found=named(schema.names) or "none",
                todo="rename the columns",
            )
        twice = [name for name in (images[0], labels[0]) if schema.names.count(name) > 1]
        if twice:
            raise EnvironmentProblem(
                f"{self.file.place}: several columns are called {named(twice)}",
                expected="one column of images and one of labels",
                found=named(schema.names),
                todo="give the columns that are not wanted another name",
            )
        return images, list(dict.fromkeys([*labels, *by_kind["ClassLabel"]]))

    def _schema(self) -> pa.Schema:
        with self.path.open("rb") as file:
            if file.read(len(LFS_POINTER)) == LFS_POINTER:
                raise EnvironmentProblem(
                    f"{self.file.place}: a Git LFS pointer, not the file itself",
                    todo="run git lfs pull in the data set's folder",
                )
        is_parquet = self.path.suffix.lower() == ".parquet"
        schema = pq.ParquetFile(self.path).schema_arrow if is_parquet else _reader(self.path).schema
        _ = schema.names  # decoded when they are asked for: a damaged one is found here
        return schema

    def _batches(self, name: str) -> Iterator[pa.Array]:
        """A column, some hundred rows at a time."""
        if self.path.suffix.lower() == ".parquet":
            yield from self._column_of_parquet(name)
            return
        reader = _reader(self.path)
        is_stream = isinstance(reader, pa.RecordBatchStreamReader)
        for batch in reader if is_stream else map(reader.get_batch, range(reader.num_record_batches)):
            yield batch.column(batch.schema.get_field_index(name))

    def _column_of_parquet(self, name: str) -> Iterator[pa.Array]:
        """All its rows: of a column whose pages are damaged pyarrow can give fewer, without a word."""
        file, rows = pq.ParquetFile(self.path), 0
        for batch in file.iter_batches(_BATCH, columns=[name]):
            rows += len(batch)
            yield batch.column(batch.schema.get_field_index(name))
        if rows != file.metadata.num_rows:
            raise ValueError(f"column {name} has {rows:,} of {file.metadata.num_rows:,} rows")

    def _safely(self, work: Callable[[], _T]) -> _T:
        try:
            return work()
        except (OSError, ValueError, KeyError, NotImplementedError, pa.ArrowException) as error:
            kind = "Parquet" if self.path.suffix.lower() == ".parquet" else "Arrow"
            raise EnvironmentProblem(
                f"{self.file.place}: corrupt {kind} file",
                expected="an intact file",
                found=(str(error) or type(error).__name__).splitlines()[0],
                todo="copy an intact file there",
            ) from error


def _pixels(cell: list[Any]) -> Content:
    try:
        pixels = np.array(cell)
    except ValueError:
        return Problem("rows of different lengths")
    # Older versions of numpy make an array of lists.
    return Problem("rows of different lengths, or no numbers") if pixels.dtype == object else pixels


def resolve(text: str, roots: Sequence[Path], named_in: str) -> File:
    """The file that a path in a table means: below the first root where there is one; absolute paths as they are."""
    for spelled in dict.fromkeys((text, text.replace("\\", "/"))):
        for root in roots:
            place = Path(os.path.normpath(root / spelled))
            if os.path.isfile(place):  # False too where a text is too long for a path, or has a NUL
                return replace(local_file(place, os.path.relpath(place, roots[0])), named_in=named_in)
    place = Path(roots[0], text)
    return File(text, text, cut(str(place), _LONGEST_PATH), functools.partial(read_regular, place), named_in=named_in)


def _reader(path: Path) -> Any:
    """`datasets` writes streams, Feather files are files."""
    try:
        return pa.ipc.open_stream(pa.memory_map(str(path)))
    except pa.ArrowInvalid:
        return pa.ipc.open_file(pa.memory_map(str(path)))


def _features(schema: pa.Schema) -> dict[str, Any]:
    """The hub's description of the columns."""
    try:
        found = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))["info"]["features"]
    except (ValueError, KeyError, TypeError):
        return {}
    return found if isinstance(found, dict) else {}


def _paths(column: pa.Array) -> list[Any]:
    """Per row what may be a path, without the images' bytes."""
    if not pa.types.is_struct(column.type):
        return list(column.to_pylist())
    fields = {field.name for field in column.type}
    if "path" not in fields:
        return []
    missing = column.field("bytes").is_null().to_pylist() if "bytes" in fields else [True] * len(column)
    valid = column.is_valid().to_pylist()
    paths = column.field("path").to_pylist()
    return [path if lacks and there else None for path, lacks, there in zip(paths, missing, valid, strict=True)]
