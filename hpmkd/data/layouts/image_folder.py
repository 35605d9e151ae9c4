"""Images in class folders: `train/<class>/` and `test/<class>/`, on the disk or in an archive."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator

from hpmkd.config.sweep import DataConfig
from hpmkd.data.inventory import Content, Inventory, Item, Part, make
from hpmkd.data.layouts.parts import choose, part_of
from hpmkd.data.listing import count, listed, named
from hpmkd.data.suffixes import is_image, is_other
from hpmkd.data.tree import File, Folder, Tree
from hpmkd.errors import EnvironmentProblem

NAME = "image folders"


def fits(tree: Tree, base: Folder) -> bool:
    """Whether there is a training folder with a class folder in which an image lies."""
    training = [folder for name, folder in base.folders.items() if part_of(name) == "train"]
    classes = [inner for folder in training for inner in folder.folders.values()]
    return any(is_image(file) for folder in classes for file in folder.every_file())


def take(tree: Tree, base: Folder, config: DataConfig) -> Inventory:
    """The inventory; EnvironmentProblem where images lie outside of class folders, or under unknown suffixes."""
    train_name, test_name, notes = choose(base.place, [name for name in base.folders if part_of(name)])
    folders = [base.folders[name] for name in (train_name, test_name)]
    _all_in_classes(folders)
    _none_lost(folders)
    parts = [_part(tree, folder, config) for folder in folders]
    classes = {name for folder in folders for name in folder.folders}
    return make(tree, NAME, (parts[0], parts[1]), config, notes=notes, folders=classes)


def _all_in_classes(folders: list[Folder]) -> None:
    """Whose class is not known cannot be used; all such images, of both parts, are told at once."""
    loose = {folder.place: sorted(name for name, file in folder.files.items() if is_image(file)) for folder in folders}
    lines = [f"{place}: {count(len(names), 'image')} ({named(names, 3)})" for place, names in loose.items() if names]
    if lines:
        raise EnvironmentProblem(
            "images outside of class folders: their class is not known",
            expected="a folder per class in each part, with the same names",
            found=listed(lines),
            todo="sort them into class folders, or move them out of the data set; where only the test images have no "
            "classes, take some training images as test images",
        )


def _none_lost(folders: list[Folder]) -> None:
    """A link beside the class folders that leads nowhere may have been one of them."""
    lost = [file.place for folder in folders for file in folder.files.values() if _is_lost(file)]
    if lost:
        raise EnvironmentProblem(
            "links beside the class folders that lead nowhere: a class may be missing",
            expected="class folders, or links to them",
            found=listed(lost),
            todo="bring back what they lead to, or delete them",
        )


def _is_lost(file: File) -> bool:
    if file.local is not None:
        return not os.path.exists(file.local)
    try:
        file.read()
    except OSError:
        return True
    return False


def _part(tree: Tree, folder: Folder, config: DataConfig) -> Part:
    faults = [f"{below.place}: {below.fault}" for below in folder.below() if below.fault]
    if faults:
        raise EnvironmentProblem(
            f"{folder.place}: folders that cannot be listed", found=listed(faults), todo="correct their permissions"
        )
    items: list[Item] = []
    unknown: list[File] = []
    allowed = {suffix.lower() for suffix in config.ignore_suffixes}
    for name in sorted(folder.folders):
        for file in (file for _, files in folder.folders[name].walk() for file in files):
            if file.suffix in allowed:
                tree.ignore("of a suffix in data.ignore_suffixes", file.path)
            elif is_image(file):
                items.append(Item(file, None, name))
            elif is_other(file):
                tree.ignore("not an image by its suffix", file.path)
            else:
                unknown.append(file)
    if unknown:
        raise _unknown(folder, unknown)

    def contents() -> Iterator[Content]:
        return (item.file for item in items)

    return Part(folder.path.rpartition("/")[2], items, contents, [item.file for item in items])


def _unknown(folder: Folder, files: list[File]) -> EnvironmentProblem:
    suffixes = Counter(file.suffix or "no suffix" for file in files)
    examples = {file.suffix or "no suffix": file.path for file in reversed(files)}
    words = ", ".join(sorted({file.suffix or '""' for file in files}))
    return EnvironmentProblem(
        f"{folder.place}: {count(len(files), 'file')} that may be images, with suffixes that Pillow does not know",
        expected="images (.jpg, .png, .gif, ...), or files that are known to be none (.txt, .csv, .json, ...)",
        found=listed(
            f"{suffix}: {count(number, 'file')}, such as {examples[suffix]}" for suffix, number in suffixes.items()
        ),
        todo=f"convert or delete them, or say that they are not wanted: --data.ignore_suffixes '[{words}]'",
    )
