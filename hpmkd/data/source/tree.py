"""The files below a user's folder, or inside an archive, as every layout sees them. No torch.

Links are followed; hidden files are set aside and counted. Whoever reads an image reads it through here, so what is
listed, hashed and decoded is the same.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

from hpmkd.data.source.links import Paths
from hpmkd.data.source.regular import NOT_REGULAR, read_regular, what_else
from hpmkd.errors import EnvironmentProblem

MAX_DEPTH = 100
SYSTEM = {"__MACOSX", "@eaDir", "lost+found", "Icon\r"}


@dataclass(frozen=True, eq=False)
class File:
    """A file of the data set.

    Args:
        name: its own name.
        path: its path below the root, with slashes.
        place: as messages name it.
        read: gives its bytes; OSError where it cannot be read.
        local: where it lies, unless it is part of an archive.
        named_in: of a file that a row of a table or list names: the table and the row.
        real: where it lies, if a link leads here: a path on the disk, or in the archive; else empty.
    """

    name: str
    path: str
    place: str
    read: Callable[[], bytes]
    local: Path | None = None
    named_in: str = ""
    real: str = ""

    @property
    def suffix(self) -> str:
        """`.jpg` of `A.JPG`; empty where there is none."""
        return os.path.splitext(self.name)[1].lower()


@dataclass(eq=False)
class Folder:
    """A folder of the data set.

    Args:
        path: below the root.
        place: as messages name it.
        files: by name.
        folders: by name.
        fault: why it cannot be listed; empty where it can.
        real: as of a file.
    """

    path: str
    place: str
    files: dict[str, File] = field(default_factory=dict)
    folders: dict[str, Folder] = field(default_factory=dict)
    fault: str = ""
    real: str = ""

    def walk(self) -> Iterator[tuple[Folder, list[File]]]:
        """This folder and all below with their files, in the order of torchvision's ImageFolder."""
        below = sorted(self.below(), key=lambda folder: folder.place)
        for folder in below:
            yield folder, [folder.files[name] for name in sorted(folder.files)]

    def below(self) -> Iterator[Folder]:
        """This folder and all below it."""
        yield self
        for folder in self.folders.values():
            yield from folder.below()

    def every_file(self) -> Iterator[File]:
        """All files here and below."""
        for _, files in self.walk():
            yield from files


@dataclass
class Tree:
    """What a user named: the folder at its top, and the files that were set aside, by reason.

    `counted`: what is known of the parts of a data set whose labels cannot be used, a line each.
    """

    source: Path
    top: Folder
    ignored: dict[str, list[str]] = field(default_factory=dict)
    counted: list[str] = field(default_factory=list)

    def real(self, path: str) -> str:
        """Where the file at a path below the root lies, if no link leads there; as `File.real` says it."""
        return f"{self._root}/{path}" if self._root else path

    @functools.cached_property
    def _root(self) -> str:
        return os.path.realpath(self.source) if self.source.is_dir() else ""

    def ignore(self, reason: str, path: str) -> None:
        """Sets a file aside."""
        self.ignored.setdefault(reason, []).append(path)


def hidden(name: str) -> bool:
    """Whether a name is the system's or an editor's: `.DS_Store`, `._a.png`, `.ipynb_checkpoints`, `__MACOSX`."""
    return name.startswith(".") or name in SYSTEM


def folder_tree(source: Path) -> Tree:
    """Everything below a folder on the disk.

    Raises:
        EnvironmentProblem: a folder cannot be listed, or links multiply it.
    """
    tree = Tree(source, Folder("", str(source)))
    try:
        _fill(tree, tree.top, source, above=[_Step(_identity(source), "")], paths=Paths())
    except OSError as error:
        raise EnvironmentProblem(
            f"{error.filename or source}: cannot be listed",
            expected="a folder that this user may read",
            found=error.strerror,
            todo="correct its permissions, or move it out of the data set",
        ) from error
    return tree


class _Step(NamedTuple):
    """A folder on the way down: which it is, and the path of the link that leads there (empty: none)."""

    identity: tuple[int, int]
    link: str


def _identity(place: Path) -> tuple[int, int]:
    found = place.stat()
    return found.st_dev, found.st_ino


def _fill(
    tree: Tree, folder: Folder, place: Path, above: list[_Step], paths: Paths[tuple[int, int]], aside: bool = False
) -> None:
    """Lists `place` into `folder`; `above`: the folders that lead here, among which a link may not lead back."""
    if len(above) > MAX_DEPTH:
        raise EnvironmentProblem(f"{place}: more than {MAX_DEPTH} folders inside one another", todo="move it elsewhere")
    with os.scandir(place) as entries:
        found = sorted(entries, key=lambda entry: entry.name)
    for entry in found:
        path, skip = f"{folder.path}/{entry.name}".lstrip("/"), aside or hidden(entry.name)
        if _is_folder(entry):
            step = _Step(_identity(Path(entry.path)), path if entry.is_symlink() else "")
            if any(step.identity == one.identity for one in above):
                tree.ignore("a link that leads back to a folder above it", path)
                continue
            paths.count(step.identity, entry.path, [one.link for one in (*above, step) if one.link])
            inner = Folder(path, entry.path, real=_real(entry, folder))
            if not skip:
                folder.folders[entry.name] = inner
            try:
                _fill(tree, inner, Path(entry.path), [*above, step], paths=paths, aside=skip)
            except OSError as error:
                inner.fault = error.strerror or str(error)
                tree.ignore("a folder that cannot be listed", path)
        elif skip:
            tree.ignore("hidden", path)
        elif what_else(Path(entry.path)):
            tree.ignore(NOT_REGULAR, path)
        else:
            folder.files[entry.name] = replace(local_file(Path(entry.path), path), real=_real(entry, folder))


def _real(entry: os.DirEntry[str], folder: Folder) -> str:
    """Where what lies in a folder really is; empty where no link leads there."""
    if entry.is_symlink():
        return os.path.realpath(entry.path)
    return f"{folder.real}/{entry.name}" if folder.real else ""


def _is_folder(entry: os.DirEntry[str]) -> bool:
    """A link to itself is none."""
    try:
        return entry.is_dir()
    except OSError:
        return False


def local_file(place: Path, path: str) -> File:
    """A file on the disk."""
    return File(place.name, path, str(place), functools.partial(read_regular, place), local=place)


def leads_nowhere(file: File) -> str:
    """Of a link to what is not there: what to say of it; empty for all other files."""
    if file.local is None or not file.local.is_symlink() or file.local.exists():
        return ""
    return f"a link to {os.readlink(file.local)}, which does not exist"


def stem(name: str) -> str:
    """`pets` of `pets.tar.gz`, `pets.zip` and `pets.npz`; names without a suffix as they are."""
    base, suffix = os.path.splitext(name)
    return os.path.splitext(base)[0] if suffix and base.lower().endswith(".tar") else base
