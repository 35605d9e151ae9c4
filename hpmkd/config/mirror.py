"""The URI of a mirror: where a copy of a sweep's output is kept."""

from __future__ import annotations

import os
import re
import urllib.parse
from pathlib import Path, PurePosixPath

from hpmkd.errors import UsageError

# What pyarrow knows by itself; other schemes are fsspec's.
OF_PYARROW = {"s3", "gs", "gcs", "abfs", "abfss", "hdfs", "viewfs", "file"}
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


def checked_uri(text: str, where: str = "record.mirror") -> str:
    """The URI without a slash at its end; a folder with its whole path.

    Raises:
        UsageError: it is empty, has a password in it, or is of a kind that nobody knows.
    """
    if not text.strip():
        raise UsageError(f"{where}: empty", expected=_EXPECTED, todo="name one, or leave it out")
    if not is_uri(text):
        return os.path.abspath(os.path.expanduser(text))
    parts = urllib.parse.urlsplit(text)
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
    place, mark, options = text.partition("?")
    return place.rstrip("/") + mark + options
