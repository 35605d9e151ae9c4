"""The sidecar `<file>.json`: what is known about a model file without loading its weights. No torch."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from hpmkd.files import commit_json, digest_of, parse_json

CONTENT_HASH = "content_hash"
HASH_KEYS = (CONTENT_HASH, "seal")  # what it is called in metadata, now and in hpmkd 0.1
_TYPES = {"sha256": str, "size": int, "accuracy": float, "train_time": float, "timestamp": str, "metadata": dict}


@dataclass(frozen=True)
class Header:
    """A verified model file: hash and size of its bytes, and everything in it but the weights.

    `accuracy` is in percent on the test set, `train_time` in seconds with all resumed parts added up.
    """

    sha256: str
    size: int
    accuracy: float
    train_time: float
    timestamp: str
    metadata: dict[str, Any]

    @property
    def weights(self) -> str | None:
        """The identity of the content, which children record of their parents; None in files of no sweep."""
        found = self.metadata.get("weights_sha256")
        return None if found is None else str(found)

    @property
    def content_id(self) -> str:
        """Two files of equal meaning hold the same numbers and metadata, the hash of the weights included."""
        return content_hash(self.accuracy, self.train_time, self.timestamp, self.metadata)


def hash_key(metadata: Mapping[str, Any]) -> str:
    """The key in a model's metadata under which its content hash stands."""
    return next((key for key in HASH_KEYS if key in metadata), CONTENT_HASH)


def content_hash(accuracy: float, train_time: float, timestamp: str, metadata: Mapping[str, Any]) -> str:
    """SHA-256 (hex) over everything in a model file but the weights, whose own hash stands in the metadata.

    A model file carries it as `metadata["content_hash"]` (those of hpmkd 0.1 as `metadata["seal"]`), so that it can be
    checked without its sidecar.

    Raises:
        TypeError: metadata that JSON does not know.
    """
    own = hash_key(metadata)
    rest = {name: value for name, value in metadata.items() if name != own}
    return digest_of({"accuracy": accuracy, "train_time": train_time, "timestamp": timestamp, "metadata": rest})


def sidecar_path(path: Path) -> Path:
    """`teacher_CIFAR10.pt` -> `teacher_CIFAR10.pt.json`."""
    return path.with_name(f"{path.name}.json")


def write_sidecar(path: Path, header: Header) -> None:
    """Commits the sidecar of `path`, with a digest of its own."""
    values = asdict(header)
    commit_json(sidecar_path(path), {**values, "digest": digest_of(values)})


def read_sidecar(path: Path) -> Header | None:
    """The sidecar of `path`, or None where it is missing, torn or altered: the model file then speaks for itself."""
    try:
        values = parse_json(sidecar_path(path).read_text(encoding="utf-8"), object_pairs_hook=_shared)
        digest = values.pop("digest")
        typed = all(isinstance(values[field.name], _TYPES[field.name]) for field in fields(Header))
        return Header(**values) if typed and digest == digest_of(values) else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def _shared(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    # A sweep keeps the headers of all its models, and they say much the same: in one copy they take 3 KB, not 8.
    return {sys.intern(name): sys.intern(value) if type(value) is str else value for name, value in pairs}


def file_hash(path: Path) -> str:
    """SHA-256 (hex) of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
