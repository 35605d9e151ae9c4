"""Which folders of images are the training and the held-out part: also those in pieces, and those without labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from hpmkd.data.source.listing import count, named
from hpmkd.data.source.parts import choose, part_of, piece_of
from hpmkd.data.source.suffixes import is_image
from hpmkd.data.source.tree import Folder, Tree
from hpmkd.errors import EnvironmentProblem

# In which Tiny-ImageNet has the images of each class, and those whose labels stand elsewhere.
LOOSE = "images"


@dataclass(frozen=True)
class Parts:
    """The two parts that are used.

    Args:
        train, test: with their class folders.
        paths: of the folders on the disk that they are, below the root.
        notes: what a user should know.
    """

    train: Folder
    test: Folder
    paths: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def both(self) -> list[Folder]:
        """Training and held-out part."""
        return [self.train, self.test]


def named_parts(base: Folder) -> dict[str, list[Folder]]:
    """The folders of each part, by the name under which it is there: `train`, or `train.X` for its pieces."""
    found: dict[str, list[Folder]] = {}
    for name, folder in base.folders.items():
        if piece := piece_of(name):
            found.setdefault(piece[0], []).append(folder)
        elif part_of(name):
            found.setdefault(name, []).append(folder)
    return found


def parts_of(tree: Tree, base: Folder) -> Parts:
    """Training and held-out part; test images without labels are set aside.

    Raises:
        EnvironmentProblem: there is none, one lies under two names, or pieces of it are missing.
    """
    found = named_parts(base)
    unlabelled = _without_labels(found)
    for file in [file for folder in found.pop(unlabelled, []) for file in folder.every_file()]:
        tree.ignore("without labels", file.path)
    _need_one_name(base, found)
    train, test, notes = choose(base.place, found)
    if unlabelled:
        notes = [f"the images in {unlabelled} have no labels: {test} is the held-out part"]
    notes += [line for name in (train, test) for line in _pieces(base.place, found[name])]
    paths = [folder.path for name in (train, test) for folder in found[name]]
    return Parts(_joined(found[train]), _joined(found[test]), paths, notes)


def _need_one_name(base: Folder, found: Mapping[str, list[Folder]]) -> None:
    """A part is a folder, or its pieces, not both: which of them would it be?"""
    for name, folders in found.items():
        whole = [folder for folder in folders if piece_of(_name(folder)) is None]
        if whole and len(folders) > 1:
            raise EnvironmentProblem(
                f"{base.place}: the same part under two names",
                expected=f"one folder {name}, or its pieces",
                found=named(sorted(map(_name, folders))),
                todo="keep one of them, and delete, move or rename the others",
            )


def _without_labels(found: Mapping[str, list[Folder]]) -> str:
    """The name of a test part of which no image lies in a class folder, where there is a validation part in its place;
    else empty."""
    test = next((name for name in found if part_of(name) == "test"), "")
    if not test or not any(part_of(name) == "val" for name in found):
        return ""
    classes = {inner for name in found if part_of(name) == "train" for one in found[name] for inner in one.folders}
    folders = {inner for one in found[test] for inner, at in one.folders.items() if any(map(is_image, at.every_file()))}
    loose = any(is_image(file) for one in found[test] for file in one.files.values())
    return test if (loose or folders) and not folders & classes and folders <= {LOOSE} else ""


def _pieces(place: str, folders: list[Folder]) -> list[str]:
    """What is said of a part in pieces.

    Raises:
        EnvironmentProblem: one is missing, as the numbers of the others tell.
    """
    numbers = sorted(piece[1] for folder in folders if (piece := piece_of(_name(folder))))
    gaps = sorted(set(range(1, max(numbers, default=0) + 1)) - set(numbers))
    names = sorted(map(_name, folders))
    if gaps:
        part = names[0].rpartition(".")[0]
        raise EnvironmentProblem(
            f"{place}: {count(len(gaps), 'piece')} of {part} missing",
            expected=f"{part}.X1 to {part}.X{numbers[-1]}",
            found=f"{named(names)}, without {named(f'{part}.X{number}' for number in gaps)}",
            todo="copy what is missing there",
        )
    return [f"{named(names)} are read as one part"] if len(names) > 1 else []


def _joined(folders: list[Folder]) -> Folder:
    """One folder with the class folders of all pieces; in each of these, those of the pieces."""
    if len(folders) == 1:
        return folders[0]
    folders = sorted(folders, key=_name)
    last = _name(folders[-1])
    whole = Folder(f"{folders[0].path} to {last}", f"{folders[0].place} to {last}")
    for folder in folders:
        whole.files |= {f"{_name(folder)}/{name}": file for name, file in folder.files.items()}
        for name, inner in folder.folders.items():
            one = whole.folders.setdefault(name, Folder("", f"{whole.place}/{name}"))
            one.folders[_name(folder)] = inner
    whole.fault = "; ".join(folder.fault for folder in folders if folder.fault)
    return whole


def _name(folder: Folder) -> str:
    return folder.path.rpartition("/")[2]
