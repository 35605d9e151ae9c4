"""What to do about a folder or an archive in which no layout is found."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path

from hpmkd.data.layouts import archive, csv_list
from hpmkd.data.layouts.cifar_files import version_in
from hpmkd.data.source.listing import count, named
from hpmkd.data.source.parts import part_of, piece_of
from hpmkd.data.source.regular import NOT_REGULAR, what_else
from hpmkd.data.source.suffixes import TABLES, is_image
from hpmkd.data.source.tree import Folder, Tree, leads_nowhere, local_file
from hpmkd.errors import EnvironmentProblem

LAYOUT = (
    "train/<class>/ and test/<class>/ with images (or an archive of them), Parquet files (train.parquet and "
    "test.parquet, or shards as on the Hugging Face hub), folders of datasets.save_to_disk, .npz arrays, train.csv "
    "and test.csv that list (file, label), or CIFAR, Tiny-ImageNet or ImageNet-100 as they are published"
)
_CORRECT = "correct the path or the layout"
_SPLIT = (
    "make the folders train and test; in both a folder per class; of each class move some images, such as every fifth, "
    "to test and the others to train"
)
_IDX = re.compile(r"(train|t10k)-(images-idx3|labels-idx1)-ubyte(\.gz)?")
_READ_BY_NAME = ("MNIST", "FashionMNIST")
_SAID_IDX = "files as MNIST and FashionMNIST are published"
_UP = 3  # folders above the named one that are looked at: from a class of Tiny-ImageNet's images up to the data set
# What else to say of what was found, and what to do; None: another piece of advice fits better.
_Advice = tuple[str, str] | None


def no_data_set(tree: Tree) -> EnvironmentProblem:
    """The error for a tree that is no data set: what lies there, and what would make it one."""
    top = tree.top
    names = [*(f"{name}/" for name in sorted(top.folders)), *sorted(top.files)]
    more, todo = (
        _archived(tree)
        or _idx(tree)
        or _on_another_level(tree)
        or _broken(top)
        or _special(tree)
        or _of_parts(top)
        or _of_lists(top)
        or _of_classes(tree)
        or _packed(top)
        or ("", _CORRECT)
    )
    found = (named(names) or "an empty or missing folder") + (f"; {more}" if more else "")
    return EnvironmentProblem(f"{tree.source}: not a data set", expected=LAYOUT, found=found, todo=todo)


def _archived(tree: Tree) -> _Advice:
    if archive.is_archive(tree.source) and any(file.suffix in TABLES for file in tree.top.every_file()):
        return "", "unpack it, and name the folder: only class folders and CIFAR are read from archives"
    return None


def _idx(tree: Tree) -> _Advice:
    """MNIST and its like as they are published, which are read by their names."""
    files = [file for file in tree.top.every_file() if _IDX.fullmatch(file.place.rpartition("/")[2])]
    if not files:
        return None
    known = Path(files[0].local or "").parent
    if known.name == "raw" and known.parent.name in _READ_BY_NAME:
        return _SAID_IDX, f"name {known.parent.name} instead, with --data-dir {shlex.quote(str(known.parents[1]))}"
    places = " or ".join(f"DIR/{name}/raw" for name in _READ_BY_NAME)
    return (
        _SAID_IDX,
        f"put its four files into {places}, and name {_READ_BY_NAME[0]} or {_READ_BY_NAME[1]}, with --data-dir DIR",
    )


def _on_another_level(tree: Tree) -> _Advice:
    """A part, a class or a file of a data set, or a folder far above one."""
    source = tree.source
    if source.name.endswith(".mat") or any(file.suffix == ".mat" for file in tree.top.every_file()):
        return "files of MATLAB, which are not read", "take the Python or the binary version of the data set"
    for above in list(source.parents)[:_UP]:
        if _has_parts(above) or (source.is_file() and above == source.parent and version_in(_listed(above))):
            return f"a part of the data set in {above}", f"name that folder, for example my-images={above}"
    inside = [folder for folder in tree.top.below() if _is_whole(folder.folders) and folder is not tree.top]
    if inside and source.is_dir():
        return f"a data set further down, in {inside[0].place}", f"name that folder: my-images={inside[0].place}"
    return None


def _has_parts(place: Path) -> bool:
    try:
        return _is_whole(entry.name for entry in place.iterdir() if entry.is_dir())
    except OSError:
        return False


def _is_whole(folders: Iterable[str]) -> bool:
    """Whether folders of these names are a training and a held-out part."""
    parts = {part_of((piece_of(name) or (name, 0))[0]) for name in folders}
    return "train" in parts and bool(parts & {"test", "val"})


def _listed(place: Path) -> Folder:
    """The files in a folder, by name alone."""
    names = [entry.name for entry in place.iterdir() if entry.is_file()]
    return Folder("", str(place), {name: local_file(place / name, name) for name in names})


def _broken(top: Folder) -> _Advice:
    links = [f"{file.place}: {link}" for file in top.files.values() if (link := leads_nowhere(file))]
    return (named(links), "correct these links") if links else None


def _of_parts(top: Folder) -> _Advice:
    """Folders called train or test, but no image in class folders of the first."""
    loose = {name: folder for name, folder in top.folders.items() if part_of(name)}
    flat = [name for name, folder in loose.items() if any(map(is_image, folder.files.values()))]
    if flat and not csv_list.nearly(top):
        what = f"images outside of class folders in {named(flat)}"
        return what, "sort them into class folders, or list them with their labels in train.csv and test.csv"
    empty = [name for name, folder in loose.items() if not any(True for _ in folder.every_file())]
    return (f"no files in {named(empty)}", _CORRECT) if empty else None


def _of_lists(top: Folder) -> _Advice:
    """Lists of images whose columns are not named, or a single list of all images."""
    lists = csv_list.nearly(top)
    wrong = {name: columns for name, columns in lists.items() if part_of(name.rpartition(".")[0])}
    if known := csv_list.troubles(
        top, wrong or [name for name in top.files if name.lower().endswith((".csv", ".tsv"))]
    ):
        lines = "; ".join(f"{name}: {one.found}" for name, one in known.items())
        return lines, "; ".join(dict.fromkeys(one.todo for one in known.values()))
    if wrong:
        lines = "; ".join(f"the first line of {name} is {named(columns)!r}" for name, columns in wrong.items())
        return lines, "give each list a first line that names its columns: file,label"
    if lists:
        name = next(iter(lists))
        return (
            f"one list of images, {name}",
            f"split {name} into train.csv and test.csv, both with its first line, such as every fifth row of each "
            "label for test.csv",
        )
    return None


def _of_classes(tree: Tree) -> _Advice:
    """Class folders that nobody has divided into training and test images, or whose images are all hidden."""
    folders = tree.top.folders
    classes = [name for name, folder in folders.items() if any(map(is_image, folder.every_file()))]
    if classes or any(map(part_of, folders)):
        return f"images in {named(classes) or 'no folder'}, but no training part", _SPLIT
    aside = _hidden_below(tree.ignored.get("hidden", []), list(folders))
    if aside:
        return f"{count(aside, 'hidden file')} in these folders", "rename files whose names begin with a dot"
    return None


def _packed(top: Folder) -> _Advice:
    """A folder around archives, or arrays that are a data set each."""
    files = [file for file in top.files.values() if file.local and archive.is_archive(file.local)]
    if not files:
        return None
    return "", f"name the archive, for example my-images={sorted(file.place for file in files)[0]}"


def _special(tree: Tree) -> _Advice:
    """Pipes, sockets and devices, by the name of a part perhaps, or of the data set itself."""
    paths = [path for path in tree.ignored.get(NOT_REGULAR, []) if "/" not in path]
    if not paths:
        return None
    folder = tree.source if tree.source.is_dir() else tree.source.parent
    kinds = (f"{path} is {what_else(folder / path) or NOT_REGULAR}" for path in paths)
    return named(kinds, 3), "put a regular file there, or a link to one: nothing is read from pipes, sockets or devices"


def _hidden_below(paths: Sequence[str], folders: Sequence[str]) -> int:
    return sum(path.partition("/")[0] in folders for path in paths)
