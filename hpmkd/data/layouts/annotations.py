"""Held-out images that lie together, with a list of their labels: `val/images/`, `val/val_annotations.txt`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection

from hpmkd.data.layouts.image_parts import LOOSE
from hpmkd.data.source.inventory import Item
from hpmkd.data.source.listing import count, listed
from hpmkd.data.source.suffixes import is_image
from hpmkd.data.source.tree import File, Folder
from hpmkd.errors import EnvironmentProblem

LIST = "val_annotations.txt"
_FORMAT = "a line for each image: its file name, a tab, its class, and what nobody needs here"


def lies_together(part: Folder, classes: Collection[str]) -> bool:
    """Whether the images of a part are in its folder `images`, which is no class, and in no other."""
    with_images = [name for name, folder in part.folders.items() if any(map(is_image, folder.every_file()))]
    return with_images == [LOOSE] and LOOSE not in classes


def labelled(part: Folder, classes: Collection[str]) -> list[Item]:
    """The images in the order of their names, each with the class that the list has for it.

    Raises:
        EnvironmentProblem: there is no list, or it and the images do not belong together.
    """
    images = sorted((file for file in part.folders[LOOSE].every_file() if is_image(file)), key=lambda file: file.path)
    lists = part.files.get(LIST)
    if lists is None:
        raise EnvironmentProblem(
            f"{part.place}: {LIST} is not there",
            expected=f"the labels of the {count(len(images), 'image')} in {LOOSE}: {_FORMAT}",
            found=listed(sorted([*part.files, *(f"{name}/" for name in part.folders)])),
            todo="copy it there (it is in the archive of Tiny-ImageNet), or sort the images into class folders",
        )
    rows = _rows(lists)
    names = {file.name for file in images}
    known = dict(rows)
    problems = [
        *(f"{name}: {many} times" for name, many in Counter(name for name, _ in rows).items() if many > 1),
        *(f"{name}: its class {one} has no training images" for name, one in rows if one not in classes),
        *(f"{name}: in the list, but not in {LOOSE}" for name, _ in rows if name not in names),
        *(f"{file.name}: in {LOOSE}, but not in the list" for file in images if file.name not in known),
    ]
    if problems:
        raise EnvironmentProblem(
            f"{lists.place}: does not belong to these images",
            expected="each image once, with a class that has training images",
            found=f"{count(len(problems), 'problem')}: {listed(problems)}",
            todo="unpack the data set again; or correct the list, or delete the images that are not wanted",
        )
    return [Item(file, None, known[file.name]) for file in images]


def _rows(file: File) -> list[tuple[str, str]]:
    try:
        lines = file.read().decode("utf-8", "replace").splitlines()
    except OSError as error:
        raise EnvironmentProblem(
            f"{file.place}: cannot be read", found=error.strerror or str(error), todo="correct its permissions"
        ) from error
    rows = [(number, line.split("\t")) for number, line in enumerate(lines, 1) if line.strip()]
    bad = [number for number, fields in rows if len(fields) < 2 or not all(field.strip() for field in fields[:2])]
    if bad or not rows:
        raise EnvironmentProblem(
            f"{file.place}: cannot be read as a list of labels",
            expected=_FORMAT,
            found=f"{count(len(bad), 'other line')}, such as line {bad[0]}" if bad else "an empty file",
            todo="unpack the data set again",
        )
    return [(fields[0].strip(), fields[1].strip()) for _, fields in rows]
