"""Random data sets for hypothesis, made of what people have: good images, odd ones, damage, files beside them."""

from __future__ import annotations

import functools
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn
from PIL import Image

from support.datasets import encoded, opened
from support.pictures import picture

PARTS = ("train", "test", "val", "Train", "TEST", "valid", "validation", "training", "extra", "notes")
CLASSES = ("cat", "dog", "eel", "train", "0", "10", " x", "katz\udce9", ".git", "__MACOSX", "a\nb")


@functools.cache
def sample(kind: str, number: int) -> bytes:
    """The bytes of a file of this kind."""
    image = opened(picture(number, 8)).convert("RGB")
    grey = np.asarray(image.convert("L"))
    made = {
        "png": lambda: picture(number),
        "jpg": lambda: encoded(image, "JPEG"),
        "gif": lambda: encoded(image, "GIF"),
        "webp": lambda: encoded(image, "WEBP"),
        "grey": lambda: encoded(image.convert("L")),
        "bits": lambda: encoded(image.convert("1")),
        "palette": lambda: encoded(image.quantize(8)),
        "clear": lambda: encoded(image.convert("RGBA")),
        "deep": lambda: encoded(Image.fromarray(grey.astype(np.uint16) * 257)),
        "float": lambda: encoded(Image.fromarray((grey / 255).astype(np.float32)), "TIFF"),
        "wild": lambda: encoded(Image.fromarray(grey.astype(np.float32) * 9), "TIFF"),
        "cmyk": lambda: encoded(image.convert("CMYK"), "JPEG"),
        "wide": lambda: encoded(image.resize((12, 9))),
        "large": lambda: encoded(image.resize((16, 16))),
        "empty": lambda: b"",
        "page": lambda: b"<html>404</html>",
        "cut": lambda: picture(number)[:70],
        "pointer": lambda: b"version https://git-lfs.github.com/spec/v1",
        "noise": lambda: np.random.default_rng(number).bytes(200),
    }
    return made[kind]()


GOOD = ("png", "jpg", "gif", "webp", "palette", "clear", "cmyk")
ODD = (*GOOD, "grey", "bits", "deep", "float", "wide", "large", "wild", "empty", "page", "cut", "pointer", "noise")
SUFFIXES = (".png", ".JPG", ".jfif", ".tif", ".txt", ".mp4", "", ".heic", ".db", ".parquet")

numbers = st.integers(0, 40)


def usually(draw: DrawFn, common: Any, rare: st.SearchStrategy[Any], of: int = 8) -> Any:
    """The common thing, but for one time of so many."""
    return common if draw(st.integers(0, of)) else draw(rare)


@st.composite
def kinds(draw: DrawFn) -> st.SearchStrategy[str]:
    """A strategy for kinds of images: mostly good ones all through a data set, or whatever there is."""
    tidy = st.sampled_from([("png",), GOOD, ("png", "grey"), ("deep", "bits"), ("float", "grey")])
    return st.sampled_from(usually(draw, draw(tidy), st.just(ODD), of=4))


def write(place: Path, data: bytes) -> None:
    """A file, unless something of another kind lies there."""
    place.parent.mkdir(parents=True, exist_ok=True)
    if not place.exists() and not place.is_symlink():
        place.write_bytes(data)


@st.composite
def class_folders(draw: DrawFn, root: Path) -> Path:
    """Folders of classes, mostly whole, with files beside and between them, perhaps nested, perhaps packed."""
    kind = draw(kinds())
    base = root / draw(st.sampled_from(["", "", "outer", "a/b", "a/b/c"]))
    tidy = draw(st.integers(0, 3)) > 0
    parts = (
        ["train", draw(st.sampled_from(["test", "val"]))]
        if tidy
        else draw(st.lists(st.sampled_from(PARTS), min_size=1, max_size=4))
    )
    classes = usually(draw, CLASSES[:3], st.lists(st.sampled_from(CLASSES), min_size=1, max_size=4, unique=True), of=3)
    for part in parts:
        for name in classes if tidy else draw(st.lists(st.sampled_from(CLASSES), max_size=4)):
            for place in range(draw(st.integers(1 if tidy else 0, 3))):
                suffix = usually(draw, ".png", st.sampled_from(SUFFIXES), of=60)
                folder = draw(st.sampled_from(["", "", "", "inner/"]))
                write(base / part / name / f"{folder}{place}{suffix}", sample(draw(kind), draw(numbers)))
    beside = (
        "README.md",
        "train/loose.png",
        "train/cat/.DS_Store",
        ".git/x",
        "test/cat/._0.png",
        "x.csv",
        "train.csv",
        "more/a.png",
    )
    for name in usually(draw, [], st.lists(st.sampled_from(beside), max_size=2), of=2):
        write(base / name, sample("png", 50))
    if not draw(st.integers(0, 11)):
        place = base / "train" / "cat"
        place.mkdir(parents=True, exist_ok=True)
        if not (place / "link.png").is_symlink():
            (place / "link.png").symlink_to(draw(st.sampled_from(["nowhere", "..", "0.png"])))
    kind_of_archive = draw(st.sampled_from(["", "", "", "zip", "gztar"]))
    if not kind_of_archive or not root.is_dir() or any("\udce9" in str(path) for path in root.rglob("*")):
        return root
    try:
        return Path(shutil.make_archive(str(root.with_name("packed")), kind_of_archive, root))
    except FileNotFoundError:  # zip follows a link that leads nowhere
        return root


LABELS: dict[str, Any] = {
    "whole": lambda label: label,
    "from 1": lambda label: label + 1,
    "names": lambda label: ["cat", "dog", "eel"][label],
    "floats": float,
    "halves": lambda label: label / 2,
    "one-hot": lambda label: [int(place == label) for place in range(3)],
    "two-hot": lambda label: [1, 1, label],
    "some missing": lambda label: label or None,
    "lists": lambda label: [[label]],
    "truth": lambda label: label > 0,
    "bytes": lambda label: [b"cat", b"\xff", b"eel"][label],
}


def cell_of(form: str, kind: str, number: int, root: Path) -> Any:
    """An image as a table may hold it."""
    data = sample(kind, number)
    if form == "bytes":
        return data
    if form == "struct":
        return {"bytes": data, "path": None}
    if form in ("path", "text"):
        write(root / "images" / f"{number}-{kind}.png", data)
        path = f"images/{number}-{kind}.png" if number % 13 else "images/nowhere.png"
        return {"bytes": None, "path": path} if form == "path" else path
    if form == "list":
        pixels = np.asarray(opened(picture(number)).convert("L")).tolist()
        return pixels if number % 17 else [*pixels[:-1], [1, 2]]
    return {"null": None, "number": number}[form]


FORMS = st.sampled_from(["struct", "struct", "struct", "bytes", "path", "text", "list", "null", "number"])
NAMES = (
    *("train.parquet", "test.parquet", "data/train-00000-of-00001.parquet", "data/test-00000-of-00001.parquet"),
    *("train-00000-of-00002.parquet", "train-00001-of-00002.parquet", "test-00000-of-00001-ab.parquet"),
    *(
        "x/train/0000.parquet",
        "x/train/0001.parquet",
        "x/test/0000.parquet",
        "y/train/0000.parquet",
        "y/validation/0000.parquet",
    ),
    *("train/part-0.parquet", "validation.parquet", "extra.parquet", "m-train.arrow", "m-test.arrow"),
)
PAIRS = [
    ("train.parquet", "test.parquet"),
    ("x/train/0000.parquet", "x/test/0000.parquet"),
    ("m-train.arrow", "m-test.arrow"),
]


@st.composite
def tables(draw: DrawFn, root: Path) -> Path:
    """Parquet and Arrow files under names of the hub, with columns of every kind, some damaged."""
    names = (
        list(draw(st.sampled_from(PAIRS)))
        if draw(st.integers(0, 3))
        else draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=5, unique=True))
    )
    form, kind = usually(draw, "struct", FORMS, of=2), draw(kinds())
    label = usually(draw, "whole", st.sampled_from(sorted(LABELS)), of=2)
    columns = usually(draw, ("image", "label"), st.sampled_from([("img", "fine_label"), ("x", "y")]))
    for name in names:
        taken = [(draw(kind), draw(numbers)) for _ in range(usually(draw, 6, st.sampled_from([3, 0, 1])))]
        form = usually(draw, form, FORMS, of=12)
        cells = [cell_of(form, one, number, root) for one, number in taken]
        labels = [LABELS[label](place % 3) for place in range(len(taken))]
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        table = pa.table({columns[0]: cells, columns[1]: labels})
        if path.suffix == ".arrow":
            with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_stream(sink, table.schema) as writer:
                writer.write_table(table)
        else:
            pq.write_table(table, path)
        if not draw(st.integers(0, 16)):
            data = bytearray(path.read_bytes())
            place = draw(st.integers(0, len(data) - 1))
            data[place] ^= draw(st.integers(1, 255))
            path.write_bytes(data if draw(st.booleans()) else data[:place])
    return root


@st.composite
def lists(draw: DrawFn, root: Path) -> Path:
    """train.csv and test.csv, mostly whole."""
    kind, label = draw(kinds()), draw(st.sampled_from(["whole", "names", "from 1", "halves", "floats"]))
    head = usually(draw, "file,label", st.sampled_from(["filename;class", "id,label", ""]), of=3)
    for name in ("train.csv", usually(draw, "test.csv", st.sampled_from(["val.csv", "test.tsv"]))):
        lines = [head]
        for place in range(usually(draw, 6, st.sampled_from([3, 0]))):
            one, number = draw(kind), draw(numbers)
            write(root / "images" / f"{number}-{one}.png", sample(one, number))
            file = f"images/{number}-{one}.png" if draw(st.integers(0, 90)) else "images/nowhere.png"
            lines.append(f"{file}{';' if ';' in head else ','}{LABELS[label](place % 3)}")
        write(root / name, "\n".join(lines).encode())
    return root


@st.composite
def arrays(draw: DrawFn, root: Path) -> Path:
    """An .npz file with arrays of every shape and type."""
    shape = usually(draw, (8, 8), st.sampled_from([(8, 8, 3), (3, 8, 8), (8, 9), (64,), (8, 8, 2)]), of=3)
    kind = usually(draw, "u1", st.sampled_from(["u2", "f4", "i8", "?", "f8", "S1", "O"]), of=2)
    label = usually(draw, "whole", st.sampled_from(sorted(LABELS)), of=2)
    full = "train_images train_labels test_images test_labels"
    names = usually(draw, full, st.sampled_from(["x_train y_train x_val y_val", "a b c d", "train_x train_y"]), of=3)
    found: dict[str, Any] = {}
    chance = np.random.default_rng(draw(numbers))
    for place, name in enumerate(names.split()):
        count = usually(draw, 6, st.sampled_from([3, 0]), of=12)
        labels = np.array([LABELS[label](number % 3) for number in range(count)])
        scale = 1 if kind.startswith("f") and draw(st.booleans()) else 255
        found[name] = labels if place % 2 else (chance.random((count, *shape)) * scale).astype(kind)
    root.mkdir(parents=True, exist_ok=True)
    np.savez(root / "a.npz", **found)
    if not draw(st.integers(0, 9)):
        data = bytearray((root / "a.npz").read_bytes())
        data[draw(st.integers(0, len(data) - 1))] ^= 255
        (root / "a.npz").write_bytes(data)
    return draw(st.sampled_from([root, root / "a.npz"]))


def all_files(source: Path) -> int:
    """How many files there are, those in hidden folders and links that lead nowhere too."""
    return sum(len(files) for _, _, files in os.walk(source))
