"""What is known about a model file without loading its weights: the sidecar `<file>.json`. No torch."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hpmkd.atomic import commit_json, sha256_of


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


def sidecar_path(path: Path) -> Path:
    """`teacher_CIFAR10.pt` -> `teacher_CIFAR10.pt.json`."""
    return path.with_name(f"{path.name}.json")


def _digest(values: dict[str, Any]) -> str:
    return sha256_of(json.dumps(values, sort_keys=True).encode())


def write_sidecar(path: Path, header: Header) -> None:
    """Commits the sidecar of `path`, sealed by a digest of its own."""
    values = asdict(header)
    commit_json(sidecar_path(path), {**values, "digest": _digest(values)})


def read_sidecar(path: Path) -> Header | None:
    """The sidecar of `path`, or None where it is missing, torn or altered: the model file then speaks for itself."""
    try:
        values = json.loads(sidecar_path(path).read_text(encoding="utf-8"))
        digest = values.pop("digest")
        return Header(**values) if digest == _digest(values) else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def file_hash(path: Path) -> str:
    """SHA-256 (hex) of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
