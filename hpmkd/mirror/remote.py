"""A folder behind a URI: S3, Google Cloud Storage, Azure, HDFS, SFTP, a second folder; files are verified by hash.

Everything that touches the network is pyarrow's, or that of fsspec's packages for what pyarrow does not know.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import urllib.parse
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

from hpmkd.config.mirror import OF_PYARROW, is_uri
from hpmkd.errors import EnvironmentProblem, MirrorProblem, NotInMirror, UsageError
from hpmkd.files import TEMP_PREFIX, commit_written, in_the_way

Result = TypeVar("Result")
_BLOCK = 2**20
SIDE_BY_SIDE = 8  # files at a time: most of the time of a small one is waiting
_CONNECT_SECONDS, _SILENT_SECONDS = 4.0, 8.0
_TODO = "check the mirror's name, the credentials and the network"
_TODO_HERE = "check its path, the permissions and the disk"
# Where a name appears only when all of its content is there, and nothing can be renamed.
_OBJECT_STORES = {"s3", "gcs", "abfs"}
# Of what pyarrow does not know: which package fsspec needs.
_PACKAGES = {"sftp": "paramiko", "ssh": "paramiko", "dbfs": "requests", "hf": "huggingface_hub", "webdav": "webdav4"}


class Remote:
    """That folder. All of its methods raise MirrorProblem for whatever goes wrong.

    Args:
        uri: of `checked_uri`.

    Raises:
        EnvironmentProblem: a package for it is missing.
        MirrorProblem: it cannot be opened.
    """

    def __init__(self, uri: str) -> None:
        self.uri = uri
        self._todo = _TODO if is_uri(uri) and not uri.startswith("file:") else _TODO_HERE
        self._system, self._base = self._tried("open it", lambda: _opened(uri))
        self._renames = self._system.type_name not in _OBJECT_STORES

    def names(self, folder: str = "") -> dict[str, int]:
        """Of all files below it, in bytes, by their names relative to the whole; none where there is no such folder."""
        from pyarrow.fs import FileSelector, FileType

        where = self._path(folder)
        found = self._tried(
            f"list {folder or 'it'}",
            lambda: self._system.get_file_info(FileSelector(where, recursive=True, allow_not_found=True)),
        )
        start = len(self._base) + 1
        return {
            one.path[start:]: one.size
            for one in found
            if one.type == FileType.File and not PurePosixPath(one.path).name.startswith(TEMP_PREFIX)
        }

    def folders(self, folder: str) -> list[str]:
        """Names of the folders in it."""
        from pyarrow.fs import FileSelector, FileType

        chosen = FileSelector(self._path(folder), recursive=False, allow_not_found=True)
        found = self._tried(f"list {folder}", lambda: self._system.get_file_info(chosen))
        return [PurePosixPath(one.path).name for one in found if one.type == FileType.Directory]

    def remove_leftovers(self) -> None:
        """What killed writers left, whose names say so; only while nobody else writes there."""
        from pyarrow.fs import FileSelector

        chosen = FileSelector(self._base, recursive=True, allow_not_found=True)
        found = self._tried("list it", lambda: self._system.get_file_info(chosen)) if self._renames else []
        for one in found:
            if PurePosixPath(one.path).name.startswith(TEMP_PREFIX) and one.is_file:
                with contextlib.suppress(MirrorProblem):
                    self._tried("tidy up", functools.partial(self._system.delete_file, one.path))

    def put(self, path: Path, name: str) -> str:
        """Writes a file there, and reads it back; returns its SHA-256.

        Raises:
            OSError: it cannot be read here.
            MirrorProblem: nothing can be written there, or something else is read than was written.
        """
        with path.open("rb") as file:
            return self._write(name, iter(lambda: file.read(_BLOCK), b""))

    def put_bytes(self, data: bytes, name: str) -> str:
        """The same with what is in memory."""
        return self._write(name, iter([data]))

    def get(self, name: str, path: Path) -> str:
        """Commits a file from there under `path`; returns its SHA-256.

        Raises:
            NotInMirror: it is not there. EnvironmentProblem: it cannot be written here.
        """
        digest = hashlib.sha256()

        def copy(file: Any) -> None:
            for block in self._blocks(name):
                digest.update(block)
                file.write(block)

        commit_written(path, copy, "room for the file in a writable folder")
        return digest.hexdigest()

    def read(self, name: str) -> bytes:
        """What a small file holds; NotInMirror where there is none."""
        return b"".join(self._blocks(name))

    def hash(self, name: str) -> str:
        """SHA-256 of a file there; NotInMirror where there is none."""
        return self._hash(name, self._path(name))

    def remove(self, name: str) -> None:
        """Removes a file, if it is there."""
        with contextlib.suppress(NotInMirror):
            self._tried(f"remove {name}", lambda: self._system.delete_file(self._path(name)))

    def _path(self, name: str) -> str:
        return f"{self._base}/{name}" if name else self._base

    def _write(self, name: str, blocks: Iterator[bytes]) -> str:
        target = self._path(name)
        folder, last = target.rpartition("/")[::2]
        path = f"{folder}/{TEMP_PREFIX}{last}-{uuid.uuid4().hex[:8]}" if self._renames else target
        digest = hashlib.sha256()

        def write() -> None:
            if self._renames:
                self._system.create_dir(folder, recursive=True)
            with self._system.open_output_stream(path) as stream:
                for block in blocks:
                    digest.update(block)
                    stream.write(block)

        try:
            self._tried(f"write {name}", write)
            self._need_same(name, path, digest.hexdigest())
            if self._renames:
                self._tried(f"write {name}", lambda: self._system.move(path, target))
        except MirrorProblem:
            if self._renames:
                with contextlib.suppress(MirrorProblem):
                    self._tried("tidy up", lambda: self._system.delete_file(path))
            raise
        return digest.hexdigest()

    def _need_same(self, name: str, path: str, wanted: str) -> None:
        found = self._hash(name, path)
        if found != wanted:
            raise MirrorProblem(
                f"{self.uri}: {name} is not what was written there",
                expected=f"hash {wanted[:12]}",
                found=f"hash {found[:12]}",
                todo=self._todo,
            )

    def _hash(self, name: str, path: str) -> str:
        digest = hashlib.sha256()
        for block in self._blocks(name, path):
            digest.update(block)
        return digest.hexdigest()

    def _blocks(self, name: str, path: str = "") -> Iterator[bytes]:
        doing = f"read {name}"
        stream = self._tried(doing, lambda: self._system.open_input_stream(path or self._path(name)))
        with contextlib.closing(stream):
            while block := self._tried(doing, lambda: stream.read(_BLOCK)):
                yield block

    def _tried(self, doing: str, work: Callable[[], Result]) -> Result:
        try:
            return work()
        except (EnvironmentProblem, UsageError):
            raise
        except (FileNotFoundError, NotADirectoryError) as error:
            raise NotInMirror(f"{self.uri}: cannot {doing}", found=_words(error), todo=self._todo) from error
        except Exception as error:  # each storage has exceptions of its own
            if "NO_SUCH_BUCKET" in str(error):
                raise NotInMirror(
                    f"{self.uri}: there is no such bucket", found=_words(error), todo=self._todo
                ) from error
            raise MirrorProblem(f"{self.uri}: cannot {doing}", found=_words(error), todo=self._todo) from error


def _opened(uri: str) -> tuple[Any, str]:
    """The file system, and the folder in it."""
    from pyarrow import fs

    scheme = urllib.parse.urlsplit(uri).scheme if is_uri(uri) else "file"
    if scheme == "s3":
        return _s3(uri)
    if scheme in OF_PYARROW:
        system, base = fs.FileSystem.from_uri(uri if is_uri(uri) else Path(uri).as_uri())
        blocking = in_the_way(Path(base, "x")) if scheme == "file" else None
        if blocking is not None:
            raise UsageError(
                f"{uri}: a folder is needed", expected="a folder, or a name that is free",
                found=f"{blocking} is a file", todo="name another one, or move that file away",
            )  # fmt: skip
        return system, base.rstrip("/")
    from fsspec.core import url_to_fs

    try:
        inner, base = url_to_fs(uri)
    except ImportError as error:
        package = _PACKAGES.get(scheme, "the package that it names")
        raise EnvironmentProblem(
            f"{uri}: a package for {scheme}:// is missing",
            expected=package,
            found=_words(error),
            todo=f"pip install {package}" if scheme in _PACKAGES else "install it",
        ) from error
    return fs.PyFileSystem(fs.FSSpecHandler(inner)), base.rstrip("/")


def _s3(uri: str) -> tuple[Any, str]:
    """As pyarrow reads such a URI, but with time limits: by default a server that is silent is waited for for 100 s,
    and the end of this process, too, waits for it."""
    from pyarrow import fs

    parts = urllib.parse.urlsplit(uri)
    options: dict[str, Any] = dict(urllib.parse.parse_qsl(parts.query))
    if not {"region", "endpoint_override"} & options.keys() and not os.environ.get("AWS_ENDPOINT_URL"):
        options["region"] = fs.resolve_s3_region(parts.netloc)
    wanted = {
        "retry_strategy": fs.AwsStandardS3RetryStrategy(max_attempts=2),
        "connect_timeout": _CONNECT_SECONDS,
        "request_timeout": _SILENT_SECONDS,
        "allow_delayed_open": True,  # one request for a small file, not three; pyarrow has it since 19
    }
    known = fs.S3FileSystem.__doc__ or ""
    options |= {name: value for name, value in wanted.items() if name in known}
    return fs.S3FileSystem(**options), f"{parts.netloc}{parts.path}"


def _words(error: BaseException) -> str:
    """One line of at most 300 characters."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 300 else f"{text[:297]}..."
