"""Images in class folders: `train/<class>/` and `test/<class>/`, on the disk or in an archive; ImageNet's parts too."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

from hpmkd.config.sweep import DataConfig
from hpmkd.data.layouts.annotations import labelled, lies_together
from hpmkd.data.layouts.hidden import hidden_images
from hpmkd.data.layouts.image_parts import Parts, named_parts, parts_of
from hpmkd.data.layouts.wordnet import are_numbers, in_order, words_of
from hpmkd.data.source.faults import CORRECT_LINKS, together
from hpmkd.data.source.inventory import Content, Inventory, Item, Part, make
from hpmkd.data.source.listing import count, listed, named
from hpmkd.data.source.parts import part_of
from hpmkd.data.source.suffixes import is_image, is_other, spelled
from hpmkd.data.source.tree import File, Folder, Tree, leads_nowhere
from hpmkd.errors import EnvironmentProblem

NAME = "image folders"
_TINY = "Tiny-ImageNet's folders"


def fits(tree: Tree, base: Folder) -> bool:
    """Whether there is a training folder with a class folder in which an image lies."""
    training = [folder for name, found in named_parts(base).items() if part_of(name) == "train" for folder in found]
    classes = [inner for folder in training for inner in folder.folders.values()]
    return any(is_image(file) for folder in classes for file in folder.every_file())


def take(tree: Tree, base: Folder, config: DataConfig) -> Inventory:
    """The inventory; EnvironmentProblem where images lie outside of class folders, or under unknown suffixes."""
    gone = [file for file in base.files.values() if part_of(file.name) and leads_nowhere(file)]
    if gone:
        raise _links(gone)
    found = parts_of(tree, base)
    unknown: list[File] = []
    parts = [_part(tree, folder, config, unknown) for folder in found.both()]
    if faults := _faults(found.both(), unknown):
        raise together(faults)
    if lies_together(found.test, found.train.folders):
        return _with_a_list(tree, base, found, parts=(parts[0], parts[1]), config=config)
    classes = {name for folder in found.both() for name in folder.folders}
    made = make(tree, NAME, (parts[0], parts[1]), config, notes=found.notes, folders=classes)
    if are_numbers(made.labelling.names) and (words := words_of(base, made.labelling.names)):
        made.labelling = replace(made.labelling, names=words)
    made.notes += hidden_images(tree, found.paths)
    return made


def _with_a_list(tree: Tree, base: Folder, found: Parts, *, parts: tuple[Part, Part], config: DataConfig) -> Inventory:
    """Of a data set whose held-out images have their labels in a list, classes in the order of another list."""
    train, test = parts
    classes, notes = in_order(base, found.train.folders)
    place = {name: number for number, name in enumerate(classes)}
    items = [item._replace(label=place[item.label]) for item in labelled(found.test, classes)]
    train.items[:] = [item._replace(label=place[item.label]) for item in train.items]
    test = Part(test.name, items, lambda: (item.file for item in items), [item.file for item in items])
    names = words_of(base, classes) or classes
    made = make(tree, _TINY, (train, test), config, notes=[*found.notes, *notes], names=names)
    made.notes += hidden_images(tree, found.paths)
    return made


def _faults(folders: list[Folder], unknown: list[File]) -> list[EnvironmentProblem]:
    """What is wrong with the folders; `unknown`: files that may be images."""
    gone = [file for folder in folders for file in folder.files.values() if _is_lost(file)]
    gone = list(dict.fromkeys([*gone, *(file for file in unknown if leads_nowhere(file))]))
    unknown = [file for file in unknown if file not in gone]
    return [
        *_unlisted(folders),
        *([_links(gone)] if gone else []),
        *_outside(folders),
        *([_unknown(unknown)] if unknown else []),
    ]


def _links(files: list[File]) -> EnvironmentProblem:
    return EnvironmentProblem(
        f"{count(len(files), 'link')} to what is not there",
        expected=CORRECT_LINKS.expected,
        found=listed(
            f"{file.place}: {leads_nowhere(file) or 'a link to what is not in the archive'}" for file in files
        ),
        todo=CORRECT_LINKS.todo,
    )


def _outside(folders: list[Folder]) -> list[EnvironmentProblem]:
    """Whose class is not known cannot be used; all such images, of both parts, are told at once."""
    loose = {
        folder.place: sorted(name for name, file in folder.files.items() if is_image(file) and not leads_nowhere(file))
        for folder in folders
    }
    lines = [f"{place}: {count(len(names), 'image')} ({named(names, 3)})" for place, names in loose.items() if names]
    if not lines:
        return []
    return [
        EnvironmentProblem(
            "images outside of class folders: their class is not known",
            expected="a folder per class in each part, with the same names",
            found=listed(lines),
            todo="sort them into class folders, or move them out of the data set; where only the test images have no "
            "classes, take some training images as test images",
        )
    ]


def _is_lost(file: File) -> bool:
    """A link beside the class folders that leads nowhere may have been one of them; so may one in an archive."""
    if file.local is not None:
        return bool(leads_nowhere(file))
    try:
        file.read()
    except OSError:
        return True
    return False


def _unlisted(folders: list[Folder]) -> list[EnvironmentProblem]:
    faults = [f"{below.place}: {below.fault}" for folder in folders for below in folder.below() if below.fault]
    if not faults:
        return []
    todo = "correct their permissions"
    return [EnvironmentProblem("folders that cannot be listed", found=listed(faults), todo=todo)]


def _part(tree: Tree, folder: Folder, config: DataConfig, unknown: list[File]) -> Part:
    """The images in the class folders of a part; files that may be images are added to `unknown`."""
    items: list[Item] = []
    allowed = spelled(config.ignore_suffixes)
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

    def contents() -> Iterator[Content]:
        return (item.file for item in items)

    return Part(folder.path.rpartition("/")[2], items, contents, [item.file for item in items])


def _unknown(files: list[File]) -> EnvironmentProblem:
    suffixes = Counter(file.suffix or "no suffix" for file in files)
    examples = {file.suffix or "no suffix": file.place for file in reversed(files)}
    words = ", ".join(sorted({file.suffix or '""' for file in files}))
    return EnvironmentProblem(
        f"{count(len(files), 'file')} that may be images, with suffixes that Pillow does not know",
        expected="images (.jpg, .png, .gif, ...), or files that are known to be none (.txt, .csv, .json, ...)",
        found=listed(
            f"{suffix}: {count(number, 'file')}, such as {examples[suffix]}" for suffix, number in suffixes.items()
        ),
        todo=f"convert or delete them, or say that they are not wanted: --data.ignore_suffixes '[{words}]'",
    )
