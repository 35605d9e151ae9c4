"""A search: one JSON file with what was chosen, and the evidence for it."""

from __future__ import annotations

import datetime
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hpmkd.errors import DamagedModel
from hpmkd.files import commit_bytes, sha256_of
from hpmkd.store.sidecar import Header

_FIELDS = {"accuracy": float, "train_time": float, "timestamp": str, "metadata": dict}


def save_search(
    path: Path,
    chosen: Mapping[str, Any],
    evidence: Sequence[Mapping[str, Any]],
    accuracy: float,
    train_time: float,
    metadata: Mapping[str, Any],
) -> None:
    """Commits a search.

    Args:
        path: where to.
        chosen: config keys and values, such as `kd.temperature`.
        evidence: what was tried, one row per trial and rung.
        accuracy: of the chosen one on validation images, in percent.
        train_time: of the whole search, in seconds.
        metadata: as of a model file; gains `chosen`, `evidence` and, as its identity, `weights_sha256`.
    """
    identity = sha256_of(json.dumps(dict(chosen), sort_keys=True).encode())
    meta = {**metadata, "chosen": dict(chosen), "evidence": [dict(row) for row in evidence], "weights_sha256": identity}
    timestamp = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    values = {"accuracy": accuracy, "train_time": train_time, "timestamp": timestamp, "metadata": meta}
    commit_bytes(path, json.dumps({**values, "digest": _digest(values)}, indent=1).encode())


def verify_search(path: Path) -> Header:
    """Its header; DamagedModel where it is not what was written, FileNotFoundError where there is none."""
    data = path.read_bytes()
    try:
        values = json.loads(data)
        digest = values.pop("digest")
        typed = all(isinstance(values[name], kind) for name, kind in _FIELDS.items())
        whole = typed and set(values) == set(_FIELDS) and digest == _digest(values)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        whole = False
    if not whole or not {"chosen", "evidence", "weights_sha256"} <= set(values["metadata"]):
        raise DamagedModel(str(path), expected="a search written by hpmkd", found="other content")
    return Header(sha256_of(data), len(data), **values)


def _digest(values: Mapping[str, Any]) -> str:
    return sha256_of(json.dumps(values, sort_keys=True).encode())
