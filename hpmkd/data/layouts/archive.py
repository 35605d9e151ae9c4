"""ZIP and TAR archives, read without being unpacked into the data folder."""

from __future__ import annotations

import bz2
import functools
import gzip
import lzma
import shutil
import stat
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, Any

from hpmkd.data.layouts.members import Member, check_depth, followed, inside
from hpmkd.data.source.regular import NOT_REGULAR
from hpmkd.data.source.tree import File, Folder, Tree, hidden
from hpmkd.errors import EnvironmentProblem

_OPENERS: dict[str, Callable[..., Any]] = {"gz": gzip.open, "bz2": bz2.open, "xz": lzma.open}
_TAR = {".tar": "", ".tar.gz": "gz", ".tgz": "gz", ".tar.bz2": "bz2", ".tbz2": "bz2", ".tar.xz": "xz", ".txz": "xz"}
_UNIX, _LONGEST_LINK = 3, 4096  # of a ZIP: the system that wrote an entry; of Linux: the longest path
_DAMAGED = (tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError)
_FAULTS = (*_DAMAGED, ValueError, RuntimeError, NotImplementedError)  # the last two: encrypted, unknown compression


def is_archive(path: Path) -> bool:
    """Whether a file is called like an archive that can be read."""
    return path.name.lower().endswith((".zip", *_TAR)) and path.is_file()


def archive_tree(source: Path) -> Tree:
    """The files inside an archive.

    Raises:
        EnvironmentProblem: a damaged, encrypted or incomplete archive.
    """
    try:
        return _zip_tree(source) if source.name.lower().endswith(".zip") else _tar_tree(source)
    except _FAULTS as error:
        raise EnvironmentProblem(
            f"{source}: cannot be read as an archive",
            expected="an intact ZIP or TAR file",
            found=f"{type(error).__name__}: {error}",
            todo="copy an intact one there, or unpack it and name the folder",
        ) from error


def _zip_tree(source: Path) -> Tree:
    archive = zipfile.ZipFile(source)
    members = []
    for info in archive.infolist():
        read = None if info.is_dir() else _reader(functools.partial(archive.read, info))
        members.append(Member(inside(info.filename), read, _zip_link(archive, info)))
    return _tree(source, members)


def _zip_link(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> str | None:
    """Where a link leads, which stands in it; None for what is no link of Unix."""
    if not stat.S_ISLNK(info.external_attr >> 16) or info.create_system != _UNIX or info.file_size > _LONGEST_LINK:
        return None
    return archive.read(info).decode("utf-8", "surrogateescape")


def _tar_tree(source: Path) -> Tree:
    """A compressed one is unpacked to a temporary file first: in it, members can be read in any order."""
    kind = _TAR[next(suffix for suffix in sorted(_TAR, key=len, reverse=True) if source.name.lower().endswith(suffix))]
    file: IO[bytes] = source.open("rb")
    if kind:
        plain = tempfile.TemporaryFile(prefix="hpmkd-tar-")  # noqa: SIM115 - closed with the last member that needs it
        with file, _OPENERS[kind](file) as packed:
            shutil.copyfileobj(packed, plain, 2**20)
        plain.seek(0)
        file = plain
    archive = tarfile.open(fileobj=file, mode="r:")  # noqa: SIM115 - as long as its members are read
    members = []
    for info in archive:
        if info.isfile() or info.islnk() or info.issym():
            read = _reader(functools.partial(_member, archive, info))
            members.append(Member(inside(info.name), read, info.linkname if info.issym() else None))
        else:
            members.append(Member(inside(info.name), None, aside="" if info.isdir() else NOT_REGULAR))
    return _tree(source, members)


def _member(archive: tarfile.TarFile, info: tarfile.TarInfo) -> bytes:
    try:
        opened = archive.extractfile(info)
    except KeyError as error:  # a link to what is not in the archive
        raise OSError(f"a link to {info.linkname}, which is not in the archive") from error
    if opened is None:
        raise OSError("not a regular file")
    return opened.read()


def _reader(read: Callable[[], bytes]) -> Callable[[], bytes]:
    """`read` with the faults of archives as OSError, as files have them."""

    def safe() -> bytes:
        try:
            return read()
        except _FAULTS as error:
            raise error if isinstance(error, OSError) else OSError(f"{type(error).__name__}: {error}") from error

    return safe


def _tree(source: Path, members: Sequence[Member]) -> Tree:
    """Folders and files from the members."""
    tree = Tree(source, Folder("", str(source)))
    for path, read, _, aside, real in followed(members, str(source)):
        parts = path.split("/") if path else []
        if not parts:
            continue
        check_depth(path)
        if aside or any(map(hidden, parts)):
            if aside or read is not None:
                tree.ignore(aside or "hidden", path)
            continue
        folder = tree.top
        for depth, part in enumerate(parts if read is None else parts[:-1], 1):
            inner = "/".join(parts[:depth])
            folder = folder.folders.setdefault(part, Folder(inner, f"{source}:{inner}"))
        if read is not None:
            if parts[-1] in folder.files:
                tree.ignore("twice in the archive: the last one counts", path)
            folder.files[parts[-1]] = File(parts[-1], path, f"{source}:{path}", read, real=real)
    return tree
