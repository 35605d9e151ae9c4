"""Everything that one model file contains, and the state of its parents' files in the same folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hpmkd.audit.verification import against_parents
from hpmkd.errors import HpmkdError
from hpmkd.numeric import json_ready
from hpmkd.plan.roles import NETWORK_SUFFIX, SUFFIXES
from hpmkd.store.inspection import Finding, inspect
from hpmkd.store.result_file import examine
from hpmkd.store.sidecar import Header, read_sidecar

if TYPE_CHECKING:
    from torch import Tensor

_BUFFERS = ("running_mean", "running_var", "num_batches_tracked")


def card(path: Path) -> dict[str, Any]:
    """Everything about one file as plain values, ready for JSON: `state` and `problem` first, then what is known.

    Args:
        path: of a model file or a search; FileNotFoundError where there is none.
    """
    alone = inspect(path, "content")
    if alone.state == "missing":
        raise FileNotFoundError(path)
    beside = _beside(path, alone)
    finding = against_parents([*(one for one in beside.values() if one), alone])[-1]
    made: dict[str, Any] = {"file": str(path), "state": finding.state, "problem": finding.reason or None}
    made["notes"] = list(finding.notes)
    if finding.header is None:
        return made | {"sidecar": json_ready(_told(read_sidecar(path)))}
    known = {key: one.header if one else None for key, one in beside.items()}
    return made | dict(json_ready(_about(path, finding.header, known)))


def _beside(path: Path, finding: Finding) -> dict[str, Finding | None]:
    """The parents in the same folder; None for one that is not there or not whole."""
    meta: Mapping[str, Any] = finding.header.metadata if finding.header else {}
    found: dict[str, Finding | None] = {}
    for key in meta.get("parents", {}):
        looked = (_by_hash(path.with_name(f"{key}{suffix}")) for suffix in SUFFIXES)
        found[key] = next((one for one in looked if one.good), None)
    return found


def _by_hash(path: Path) -> Finding:
    try:
        return inspect(path, "hash")
    except HpmkdError:  # a disk that does not answer: the model itself can still be shown
        return Finding(path.name, "unreadable")


def _about(path: Path, header: Header, beside: Mapping[str, Header | None]) -> dict[str, Any]:
    meta = dict(header.metadata)
    parents = meta.pop("parents", {})
    recipe, versions = meta.pop("recipe", {}), meta.pop("versions", {})
    about: dict[str, Any] = {
        "accuracy_pct": header.accuracy,
        "train_seconds": header.train_time,
        "timestamp": header.timestamp,
        "size": header.size,
        "sha256": header.sha256,
        "parents": [_parent(key, weights, beside.get(key)) for key, weights in parents.items()],
        "recipe": recipe,
        "versions": versions,
        "metadata": meta,
    }
    if path.suffix == NETWORK_SUFFIX:
        about |= _counts(examine(path)[1])
    return about


def _parent(key: str, weights: str, header: Header | None) -> dict[str, Any]:
    """One parent: the weights that this model was trained from, and whether the parent's file still has them."""
    if header is None:
        return {"key": key, "weights_sha256": weights, "now": "no good file"}
    same = header.metadata.get("weights_sha256") == weights
    return {"key": key, "weights_sha256": weights, "now": "the same" if same else "other weights"}


def _counts(state: Mapping[str, Tensor]) -> dict[str, int]:
    """Trainable parameters, and all values in the file (running means and the like included)."""
    sizes = {name: tensor.numel() for name, tensor in state.items()}
    trained = sum(size for name, size in sizes.items() if name.rpartition(".")[2] not in _BUFFERS)
    return {"parameters": trained, "values": sum(sizes.values()), "tensors": len(sizes)}


def _told(sidecar: Header | None) -> dict[str, Any] | None:
    """What a sidecar remembers of a file that is damaged."""
    if sidecar is None:
        return None
    about = {name: sidecar.metadata.get(name) for name in ("key", "fingerprint")}
    return {**about, "accuracy_pct": sidecar.accuracy, "timestamp": sidecar.timestamp, "size": sidecar.size}
