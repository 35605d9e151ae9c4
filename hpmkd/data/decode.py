"""Decodes a data set into the cache, in a process of its own where torch is not loaded yet.

Torch keeps 600 MB for as long as a process runs, and the driver of a sweep needs it for nothing else.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import pickle
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

import numpy as np

from hpmkd.child_process import START, end_with, search_path
from hpmkd.config.sweep import DataConfig
from hpmkd.data.catalog import Dataset
from hpmkd.data.selection import ORDER
from hpmkd.data.source.inventory import PARTS
from hpmkd.errors import EnvironmentProblem, HpmkdError
from hpmkd.files import commit_bytes, commit_json, commit_written

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer
    from torch import Tensor

FORMAT = 3
_START = START.format(first=3) + "from hpmkd.data.decode import answer\nanswer(int(sys.argv[2]))\n"


def decode(dataset: Dataset, path: Path, config: DataConfig) -> dict[str, Any]:
    """Reads a data set, and commits its pixels and labels as `path`, with a sidecar.

    Args:
        dataset: what to read.
        path: where to, a `.pt` file.
        config: where the images lie.

    Returns:
        What stands in the sidecar: hash, number of images, their shape, number of classes, census. A picture per class
        lies beside it, `.png`; `pictures` in the sidecar says where in it. So do the labels in the order of the split.

    Raises:
        EnvironmentProblem: the images are missing or corrupt, or decoding was killed, or the cache can't be written.
    """
    if "torch" in sys.modules:
        return _decode(dataset, path, config)
    work = pickle.dumps((dataset, path, config))
    command = [sys.executable, "-P", "-c", _START, str(Path(__file__).parents[2]), str(os.getpid()), *search_path()]
    # In a group of its own Ctrl-C does not reach it: this process decides, and ends it if it stops.
    done = subprocess.run(command, input=work, stdout=subprocess.PIPE, process_group=0, check=False)
    try:
        answer = pickle.loads(done.stdout)
    except (EOFError, pickle.UnpicklingError) as error:
        raise EnvironmentProblem(
            f"{dataset.source or dataset.name}: the process that decodes the images ended without an answer",
            expected="decoded images",
            found=f"exit code {done.returncode}",
            todo="check the free memory (dmesg shows killed processes), then start again",
        ) from error
    if isinstance(answer, Exception):
        raise answer
    return dict(answer)


def _decode(dataset: Dataset, path: Path, config: DataConfig) -> dict[str, Any]:
    from hpmkd.data.census import census_of, contact_sheet

    place = dataset.source or dataset.name
    with faults_of(place):
        raw = dataset.read(config)
    raw.check(place)
    saved = {f"{name}_{key}": getattr(getattr(raw, name), key) for name in PARTS for key in ("pixels", "labels")}
    meta = {
        "format": FORMAT,
        "name": dataset.name,
        "sha256": _commit(path, saved),
        "channels": raw.train.pixels.shape[3],
        "image_size": raw.train.pixels.shape[1],
        "classes": raw.classes,
        "train_images": len(raw.train),
        "test_images": len(raw.test),
        "census": census_of(raw),
    }
    sheet, meta["pictures"] = contact_sheet(raw)
    commit_bytes(path.with_suffix(".png"), sheet)
    commit_labels(path.with_suffix(ORDER), raw.train.labels.numpy(), dataset.name, raw.classes)
    commit_json(path.with_suffix(".json"), meta)
    return meta


def _commit(path: Path, saved: Mapping[str, Tensor]) -> str:
    """Puts tensors under `path`, as `torch.save` writes them, without a copy in memory; returns the SHA-256 (hex)."""
    import torch

    sink = _Sink()
    size = sum(one.numel() * one.element_size() for one in saved.values())

    def write(file: IO[bytes]) -> None:
        sink.file = file
        torch.save(saved, cast(IO[bytes], sink))
        if sink.error is not None:
            raise sink.error

    commit_written(path, write, f"{size:,} bytes free in a writable folder")
    return sink.digest.hexdigest()


class _Sink(io.RawIOBase):
    """Takes what torch writes, and hashes it. A fault is kept for later: torch's own code does not expect any."""

    def __init__(self) -> None:
        self.file: IO[bytes] | None = None
        self.error: OSError | None = None
        self.digest = hashlib.sha256()

    def write(self, data: ReadableBuffer, /) -> int:
        """All of it."""
        view = memoryview(data)
        try:
            if self.error is None and self.file is not None:
                self.file.write(view)
                self.digest.update(view)
        except OSError as error:
            self.error = error
        return len(view)


def commit_labels(path: Path, labels: np.ndarray, name: str, classes: int) -> None:
    """Writes the labels of the training images of a data set in its random order, with few bytes per label."""
    from hpmkd.data.images import order_of

    buffer = io.BytesIO()
    ordered = labels[order_of(name, len(labels)).numpy()]
    np.save(buffer, ordered.astype(np.min_scalar_type(classes)), allow_pickle=False)
    commit_bytes(path, buffer.getvalue())


@contextlib.contextmanager
def faults_of(place: str) -> Iterator[None]:
    """Whatever goes wrong in reading concerns the data set, neither the cache nor the program; no traceback of it."""
    try:
        yield
    except HpmkdError:
        raise
    except Exception as error:
        found = str(error) if isinstance(error, OSError) else f"{type(error).__name__}: {error}"
        raise EnvironmentProblem(
            f"{place}: cannot be read",
            expected="a data set in one of the known layouts",
            found=found,
            todo="see hpmkd data --help",
        ) from error


def answer(parent: int | None = None) -> None:
    """The other process: work comes as a pickle on stdin, what came of it goes as one to stdout.

    Args:
        parent: the process that waits for the answer; without it, this one ends.
    """
    if parent is not None:
        end_with(parent)
    stdout = os.dup(1)
    os.dup2(2, 1)  # whatever a download says stays out of the answer
    work = sys.stdin.buffer.read()
    if not work:
        return  # stopped by Ctrl-C before it could say what to do
    answer: object
    try:
        answer = _decode(*pickle.loads(work))
    except Exception as error:
        answer = error
    # Where nobody waits for the answer any more, nobody is told so.
    with contextlib.suppress(BrokenPipeError), open(stdout, "wb") as file:
        pickle.dump(answer, file)


if __name__ == "__main__":
    answer()
