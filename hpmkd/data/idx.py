"""MNIST and FashionMNIST through torchvision: unpacked files, or the packed ones as they are published."""

from __future__ import annotations

import gzip
import hashlib
import tempfile
import zlib
from pathlib import Path

from torchvision import datasets
from torchvision.datasets.mnist import read_image_file, read_label_file

from hpmkd.config.sweep import DataConfig
from hpmkd.data.catalog import Dataset
from hpmkd.data.download import download_or_fail
from hpmkd.data.images import RawData
from hpmkd.data.published import absent, idx_folder
from hpmkd.data.source.images import Images
from hpmkd.data.source.regular import read_regular
from hpmkd.errors import EnvironmentProblem

_CLASSES = {"MNIST": datasets.MNIST, "FashionMNIST": datasets.FashionMNIST}
_COUNTS = {"train": 60_000, "t10k": 10_000}
# Sums of the unpacked files; torchvision knows only those of the packed ones. FashionMNIST publishes none.
_UNPACKED_MD5 = {
    "MNIST": {
        "train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
        "train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
        "t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
        "t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
    }
}


def read(config: DataConfig, dataset: Dataset) -> RawData:
    """Reads the four files under `<data dir>/<name>/raw`, never writing there unless it has to download."""
    raw = idx_folder(dataset.name, config)
    if missing := absent(dataset.name, config):
        download_or_fail(_CLASSES[dataset.name], missing, config)
    with tempfile.TemporaryDirectory(prefix="hpmkd-idx-") as folder:
        train, test = (_part(dataset.name, raw, Path(folder), part) for part in ("train", "t10k"))
    return RawData(train, test, dataset.classes)


def _part(name: str, raw: Path, scratch: Path, part: str) -> Images:
    files = {}
    for kind in ("images-idx3", "labels-idx1"):
        file = f"{part}-{kind}-ubyte"
        (scratch / file).write_bytes(_verified(name, raw, file))
        files[kind] = scratch / file
    try:
        pixels = read_image_file(str(files["images-idx3"]))
        labels = read_label_file(str(files["labels-idx1"]))
    except (AssertionError, ValueError, RuntimeError, IndexError, KeyError) as error:
        raise _corrupt(raw / f"{part}-*", f"not in the IDX format ({type(error).__name__}: {error})") from error
    if not len(pixels) == len(labels) == _COUNTS[part]:
        raise _corrupt(raw / f"{part}-*", f"{len(pixels)} images, {len(labels)} labels")
    return Images(pixels.unsqueeze(3), labels)


def _verified(name: str, raw: Path, file: str) -> bytes:
    """The unpacked content of a file, checked by a published sum: of the packed file or, where known, of its content.

    Either will do: who packs MNIST again, with another gzip, still has MNIST.
    """
    packed, plain = raw / f"{file}.gz", raw / file
    sums = {entry.removesuffix(".gz"): md5 for entry, md5 in _CLASSES[name].resources}
    wanted = _UNPACKED_MD5.get(name, {}).get(file)
    if not packed.exists():
        content = read_regular(plain)
        if wanted and _md5(content) != wanted:
            raise _corrupt(plain, f"MD5 {_md5(content)} ({len(content):,} bytes), expected {wanted}")
        return content
    data = read_regular(packed)
    try:
        content = gzip.decompress(data)
    except (OSError, EOFError, zlib.error) as error:
        raise _corrupt(packed, f"not a whole gzip file ({error}), {len(data):,} bytes") from error
    if _md5(data) != sums[file] and _md5(content) != wanted:
        raise _corrupt(packed, f"MD5 {_md5(data)} ({len(data):,} bytes), expected {sums[file]}")
    return content


def _md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def _corrupt(path: Path, found: str) -> EnvironmentProblem:
    return EnvironmentProblem(
        f"{path}: corrupt data file",
        expected="the published file, unchanged",
        found=found,
        todo=f"delete it and start again with a network connection, or copy an intact one to {path.parent}",
    )
