"""The data sets of the field as they are published, made small: of noise, with a few images of each class."""

from __future__ import annotations

import io
import struct
import tarfile
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from support.pictures import picture

WNIDS = ("n03444034", "n01443537", "n02124075")  # not in the order of their names
WORDS = {"n03444034": "go-kart", "n01443537": "goldfish, Carassius auratus", "n02124075": "Egyptian cat"}


def cifar_images(count: int, first: int = 0) -> np.ndarray:
    """Records as CIFAR has them, plane by plane, `(count, 3072)` uint8."""
    return np.random.default_rng(first).integers(0, 256, (count, 3072), dtype=np.uint8)


def python2_pickle(values: Mapping[str, object]) -> bytes:
    """A dictionary as Python 2 and its numpy wrote it, the way in which CIFAR is published."""
    return b"\x80\x02}(" + b"".join(_old(key) + _old(value) for key, value in values.items()) + b"u."


def _old(value: object) -> bytes:
    if isinstance(value, np.ndarray):
        shape = b"".join(b"J" + struct.pack("<i", side) for side in value.shape)
        kind = b"cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
        start = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
        return start + b"(K\x01(" + shape + b"t" + kind + b"\x89" + _old(value.tobytes()) + b"tb"
    if isinstance(value, list):
        return b"](" + b"".join(map(_old, value)) + b"e"
    if isinstance(value, int):
        return b"K" + bytes([value])
    data = value if isinstance(value, bytes) else str(value).encode()
    return b"T" + struct.pack("<i", len(data)) + data


def cifar100_python() -> Iterator[tuple[str, bytes]]:
    """Files of the Python version of CIFAR-100 with three classes: nine training and six test images."""
    for name, count in (("train", 9), ("test", 6)):
        fine = [row % 3 for row in range(count)]
        values = {"data": cifar_images(count, count), "fine_labels": fine, "coarse_labels": [0] * count}
        yield name, python2_pickle({"filenames": ["x.png"] * count, "batch_label": name, **values})
    yield "meta", python2_pickle({"fine_label_names": ["apple", "bear", "camel"], "coarse_label_names": ["all"]})


def cifar10_python() -> Iterator[tuple[str, bytes]]:
    """Files of the Python version of CIFAR-10 with three classes: three images in each."""
    for name in [f"data_batch_{number}" for number in range(1, 6)] + ["test_batch"]:
        yield name, python2_pickle({"data": cifar_images(3, len(name)), "labels": [2, 0, 1], "batch_label": name})
    yield "batches.meta", python2_pickle({"label_names": ["airplane", "automobile", "bird"], "num_vis": 3})
    yield "readme.html", b"<html>"


def cifar_binary(labels: int) -> Iterator[tuple[str, bytes]]:
    """Files of the binary versions, with `labels` bytes of labels before each image: of CIFAR-10 1, of CIFAR-100 2."""
    train = ["train.bin"] if labels == 2 else [f"data_batch_{number}.bin" for number in range(1, 6)]
    for name in [*train, "test.bin" if labels == 2 else "test_batch.bin"]:
        rows = [bytes([7] * (labels - 1) + [row]) + pixels.tobytes() for row, pixels in enumerate(cifar_images(3))]
        yield name, b"".join(rows)
    yield "fine_label_names.txt" if labels == 2 else "batches.meta.txt", b"apple\nbear\ncamel\n\n"


def folder(root: Path, files: Iterator[tuple[str, bytes]]) -> Path:
    """The files in a folder."""
    root.mkdir(parents=True)
    for name, data in files:
        (root / name).write_bytes(data)
    return root


def tar(path: Path, inside: str, files: Iterator[tuple[str, bytes]]) -> Path:
    """The files in a packed archive, in the folder `inside`."""
    with tarfile.open(path, "w:gz") as archive:
        for name, data in files:
            info = tarfile.TarInfo(f"{inside}/{name}")
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


def tiny_imagenet() -> Iterator[tuple[str, bytes]]:
    """Files of Tiny-ImageNet with three classes: two training images and a validation image of each."""
    for place, name in enumerate(sorted(WNIDS)):
        for number in range(2):
            yield f"train/{name}/images/{name}_{number}.JPEG", picture(2 * place + number)
        yield f"train/{name}/{name}_boxes.txt", b"x"
        yield f"val/images/val_{place}.JPEG", picture(10 + place)
    rows = [f"val_{place}.JPEG\t{name}\t0\t32\t44\t62\n" for place, name in enumerate(sorted(WNIDS))]
    yield "val/val_annotations.txt", "".join(rows).encode()
    yield "test/images/test_0.JPEG", picture(20)
    yield "wnids.txt", "".join(f"{name}\n" for name in WNIDS).encode()
    yield "words.txt", "".join(f"{name}\t{words}\n" for name, words in WORDS.items()).encode() + b"n00001740\tentity\n"


def laid_out(root: Path, files: Iterator[tuple[str, bytes]]) -> Path:
    """The files below a folder."""
    for name, data in files:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    return root


def zipped(path: Path, inside: str, files: Iterator[tuple[str, bytes]]) -> Path:
    """The files in a ZIP, in the folder `inside`."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files:
            archive.writestr(f"{inside}/{name}", data)
    return path
