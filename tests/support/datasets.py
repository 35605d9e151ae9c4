"""Data sets as people have them, made of the small images of `pictures`."""

from __future__ import annotations

import io
import os
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from hpmkd.config.sweep import DataConfig
from hpmkd.data.catalog import find
from hpmkd.data.identity import identity
from hpmkd.data.images import RawData
from hpmkd.data.layouts.detect import take_inventory
from hpmkd.errors import EnvironmentProblem
from support.pictures import picture

CLASSES = ("cat", "dog", "eel")
Row = tuple[bytes, int]


def rows(count: int, first: int = 0, size: int = 8, mode: str = "RGB") -> list[Row]:
    """Images with the labels 0, 1, 2, 0, ..."""
    return [(picture(number, size, mode), number % 3) for number in range(first, first + count)]


def opened(data: bytes) -> Image.Image:
    """An image from the bytes of its file."""
    return Image.open(io.BytesIO(data))


def encoded(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    """The bytes of an image's file."""
    buffer = io.BytesIO()
    try:
        image.save(buffer, kind, **options)
    except OSError as error:
        if "transparency for this mode" not in str(error):
            raise
        pytest.skip("Pillow 9 writes no 16 bits with a transparent value")
    return buffer.getvalue()


def class_folders(
    root: Path,
    data: Iterable[Row],
    suffix: str = ".png",
    change: Callable[[bytes, int], bytes] = lambda data, place: data,
    names: Sequence[str] = CLASSES,
) -> None:
    """Files `root/<class>/<number><suffix>`; `change` gets each file's bytes and its place."""
    for place, (content, label) in enumerate(data):
        folder = root / names[label]
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{place:03d}{suffix}").write_bytes(change(content, place))


def image_folder(root: Path, parts: Sequence[str] = ("train", "test"), **options: Any) -> Path:
    """Nine training and six test images of three classes in class folders."""
    class_folders(root / parts[0], rows(9), **options)
    class_folders(root / parts[1], rows(6, first=9), **options)
    return root


def parquet(
    path: Path,
    data: Iterable[Row],
    image: str = "image",
    label: str = "label",
    cell: Callable[[bytes], Any] = lambda content: {"bytes": content, "path": None},
    value: Callable[[int], Any] = lambda label: label,
    features: dict[str, Any] | None = None,
) -> Path:
    """A table with a column of images and one of labels, and the hub's description of its columns."""
    path.parent.mkdir(parents=True, exist_ok=True)
    data = list(data)
    table = pa.table({image: [cell(content) for content, _ in data], label: [value(one) for _, one in data]})
    if features is not None:
        import json

        table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    pq.write_table(table, path)
    return path


def parquet_pair(root: Path, **options: Any) -> Path:
    """`train.parquet` of nine rows and `test.parquet` of six."""
    parquet(root / "train.parquet", rows(9), **options)
    parquet(root / "test.parquet", rows(6, first=9), **options)
    return root


def pixels_of(data: Iterable[Row]) -> np.ndarray:
    """The decoded images, `(N, H, W, ...)`."""
    return np.stack([np.asarray(opened(content)) for content, _ in data])


def read(source: Path, **config: Any) -> RawData:
    """The data set as its reader finds it, checked."""
    raw = find(f"x={source}").read(DataConfig(**config))
    raw.check("x")
    return raw


def content(source: Path, **config: Any) -> str:
    """The identity of the data set."""
    given = DataConfig(**config)
    return identity(take_inventory(source, given), given)


def refusal(source: Path, **config: Any) -> str:
    """The message with which the data set is refused."""

    def look() -> None:
        content(source, **config)
        read(source, **config)

    with pytest.raises(EnvironmentProblem) as caught:
        look()
    assert caught.value.exit_code == 3
    assert caught.value.found or caught.value.todo
    return str(caught.value)


def rename_to_latin1(folder: Path, old: str, new: bytes) -> None:
    """Gives a folder a name that is not UTF-8."""
    os.rename(os.fsencode(folder / old), os.fsencode(folder) + b"/" + new)


def reads_everything() -> bool:
    """Whether permissions do not keep this process from reading, as root in most places."""
    with tempfile.NamedTemporaryFile() as file:
        os.chmod(file.name, 0)
        return os.access(file.name, os.R_OK)
