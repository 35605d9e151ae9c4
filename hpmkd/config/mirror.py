"""The URI of a mirror: where a copy of a sweep's output is kept."""

from __future__ import annotations

import re
import urllib.parse
from pathlib import Path, PurePosixPath

from hpmkd.config.paths import user_path
from hpmkd.errors import UsageError

# What pyarrow knows by itself; other schemes are fsspec's.
OF_PYARROW = {"s3", "gs", "gcs", "abfs", "abfss", "hdfs", "viewfs", "file"}
CLAIM = "mirror.json"  # in a mirror: who writes there; see `mirror/claim.py`
_EXPECTED = "a folder, or s3://, gs://, abfs://, hdfs://, sftp://, or another URI that fsspec knows"


def is_uri(text: str) -> bool:
    """Whether it names a place by a URI, not by a path."""
    return re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", text) is not None


def last_name(uri: str) -> str:
    """The last part of its path: `run7` of `s3://bucket/sweeps/run7`; '' where it has none."""
    return PurePosixPath(urllib.parse.urlsplit(uri).path).name if is_uri(uri) else Path(uri).name


def below(uri: str, name: str) -> str:
    """The URI of a folder in it; options behind `?` stay behind."""
    if not is_uri(uri):
        return str(Path(uri, name))
    place, mark, options = uri.partition("?")
    return f"{place.rstrip('/')}/{name}{mark}{options}"


def above(uri: str) -> str:
    """The URI of the folder that it lies in: the reverse of `below`."""
    if not is_uri(uri):
        return str(Path(uri).parent)
    place, mark, options = uri.partition("?")
    return place.rstrip("/").rpartition("/")[0] + mark + options


def need_apart(uri: str, output: Path, where: str = "record.mirror") -> None:
    """Raises UsageError where the mirror is the output, in it, or around it: copies of copies would never end."""
    if is_uri(uri) and not uri.startswith("file://"):
        return
    path = Path(urllib.parse.unquote(urllib.parse.urlsplit(uri).path) if is_uri(uri) else uri).resolve()
    here = output.resolve()
    if path == here:
        raise UsageError(
            f"{where}: {path} is the output itself", expected="another folder for the sweep than its mirror",
            found=f"both are {here}",
            todo=f"to continue from the mirror: --restore {path.as_uri()} -o DIR; to go on in it: --record.mirror null",
        )  # fmt: skip
    if path.is_relative_to(here) or here.is_relative_to(path):
        raise UsageError(
            f"{where}: the mirror and the output lie in each other", expected="two folders beside each other",
            found=f"{path} and {here}", todo="name another folder for one of them",
        )  # fmt: skip


def checked_uri(text: str, where: str = "record.mirror") -> str:
    """The URI without a slash at its end; a folder with its whole path.

    Raises:
        UsageError: it is empty, has a password in it, or is of a kind that nobody knows.
    """
    if not text.strip():
        raise UsageError(f"{where}: empty", expected=_EXPECTED, todo="name one")
    if not is_uri(text):
        scheme = text.partition(":")[0]
        if ":" in text and scheme in {*OF_PYARROW, "sftp"}:
            raise UsageError(
                f"{where}: {text!r} is neither a path nor a URI", expected=_EXPECTED, found=text,
                todo=f"write {scheme}://..., or ./{text} for a folder of that name",
            )  # fmt: skip
        return str(user_path(text, where).absolute())
    _need_parts(text, where)
    place, mark, options = text.partition("?")
    return place.rstrip("/") + mark + options


def _need_parts(text: str, where: str) -> None:
    """Raises UsageError where a URI cannot be used."""
    parts = urllib.parse.urlsplit(text)
    if "#" in text:
        raise UsageError(f"{where}: {text} has a #", expected=_EXPECTED, found=text, todo="leave it out, or write %23")
    if parts.scheme == "file" and parts.netloc not in ("", "localhost"):
        raise UsageError(
            f"{where}: {text} names a file of the host {parts.netloc}", expected="file:///, with three slashes",
            found=text, todo=f"write the whole path, or {parts.netloc}{parts.path} without file://",
        )  # fmt: skip
    if not parts.netloc and parts.scheme in OF_PYARROW - {"file", "hdfs", "viewfs"}:
        raise UsageError(f"{where}: {text} names no bucket", expected=_EXPECTED, found=text, todo="add its name")
    if parts.password or (parts.username and parts.scheme in ("s3", "gs", "gcs")):
        raise UsageError(
            f"{where}: the URI contains a key or password, which would be written into sweep.yaml",
            expected="a URI without them",
            found=f"{parts.scheme}://...@{parts.hostname or ''}",
            todo="put them where the provider's tools look for them: environment variables (AWS_ACCESS_KEY_ID and "
            "AWS_SECRET_ACCESS_KEY, GOOGLE_APPLICATION_CREDENTIALS, AZURE_...), ~/.aws, ~/.ssh",
        )
    if parts.scheme not in OF_PYARROW:
        from fsspec import available_protocols

        if parts.scheme not in available_protocols():
            raise UsageError(
                f"{where}: {parts.scheme}:// is not known", expected=_EXPECTED, found=text, todo="correct it"
            )
