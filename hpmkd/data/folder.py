"""A user's own data set: a Parquet pair in the Hugging Face layout, or image folders `train/` and `test/`."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import torch
from PIL import Image, UnidentifiedImageError
from torchvision.datasets import ImageFolder

from hpmkd.config.sweep import DataConfig
from hpmkd.data.catalog import Dataset
from hpmkd.data.images import Images, RawData
from hpmkd.data.source import LAYOUT, parquet_files, source_files
from hpmkd.errors import EnvironmentProblem

_LABELS = ("label", "labels", "fine_label")


def read(config: DataConfig, dataset: Dataset) -> RawData:
    """Decodes every image once; EnvironmentProblem names the file and row of one that can't be used."""
    folder = Path(dataset.source or "")
    source_files(folder)
    if parquet_files(folder, "train"):
        train, test = (_stack(_parquet_rows(parquet_files(folder, part))) for part in ("train", "test"))
    else:
        folders = [ImageFolder(str(folder / part)) for part in ("train", "test")]
        if folders[0].classes != folders[1].classes:
            raise EnvironmentProblem(
                f"{folder}: train/ and test/ have different classes",
                expected=", ".join(folders[0].classes[:10]),
                found=", ".join(folders[1].classes[:10]),
                todo="give both the same class folders",
            )
        train, test = (_stack(((path, path, label) for path, label in part.samples)) for part in folders)
    return RawData(train, test, max(int(train.labels.max()), int(test.labels.max())) + 1)


def _parquet_rows(paths: list[Path]) -> Iterator[tuple[str, bytes, int]]:
    for path in paths:
        try:
            table = pq.read_table(path)
        except (OSError, ValueError) as error:  # pyarrow's own errors derive from these
            raise EnvironmentProblem(
                f"{path}: corrupt Parquet file", expected=LAYOUT, found=str(error), todo="copy an intact file there"
            ) from error
        image = next((name for name in ("image", "img") if name in table.column_names), None)
        label = next((name for name in _LABELS if name in table.column_names), None)
        if image is None or label is None:
            raise EnvironmentProblem(
                f"{path}: unexpected columns",
                expected="image (struct of bytes and path, an encoded image) and label (integer)",
                found=", ".join(table.column_names),
                todo="rename the columns",
            )
        cells, labels = table.column(image).to_pylist(), table.column(label).to_pylist()
        for row, (cell, value) in enumerate(zip(cells, labels, strict=True)):
            content = cell.get("bytes") if isinstance(cell, dict) else cell
            if content is None or value is None:
                raise EnvironmentProblem(f"{path}, row {row}: empty cell", expected="an encoded image and its label")
            yield f"{path}, row {row}", content, int(value)


def _stack(rows: Iterable[tuple[str, bytes | str, int]]) -> Images:
    arrays: list[np.ndarray] = []
    labels: list[int] = []
    mode = "RGB"
    for where, content, label in rows:
        try:
            with Image.open(io.BytesIO(content) if isinstance(content, bytes) else content) as image:
                if not arrays:
                    mode = "L" if image.mode in ("L", "1", "I;16") else "RGB"
                array = np.asarray(image.convert(mode))
        except (UnidentifiedImageError, OSError, ValueError, SyntaxError) as error:
            raise EnvironmentProblem(
                f"{where}: not a readable image", expected="an encoded image (JPEG, PNG, ...)", found=str(error)
            ) from error
        if arrays and array.shape != arrays[0].shape:
            raise EnvironmentProblem(
                f"{where}: image of another size",
                expected=f"{arrays[0].shape[1]}x{arrays[0].shape[0]} pixels, as the first",
                found=f"{array.shape[1]}x{array.shape[0]}",
                todo="resize all images to one square size",
            )
        arrays.append(array)
        labels.append(label)
    if not arrays:
        return Images(torch.zeros(0, 1, 1, 1, dtype=torch.uint8), torch.zeros(0, dtype=torch.int64))
    pixels = torch.from_numpy(np.stack(arrays))
    return Images(pixels.unsqueeze(3) if pixels.ndim == 3 else pixels, torch.tensor(labels))
