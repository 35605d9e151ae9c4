"""All that one model file says of itself, and of the files beside it that it came from."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hpmkd.audit.verification import State, Verdict, lineage, look
from hpmkd.errors import HpmkdError
from hpmkd.store.model_file import check, examine
from hpmkd.store.sidecar import Header, read_sidecar

if TYPE_CHECKING:
    from torch import Tensor

_BUFFERS = ("running_mean", "running_var", "num_batches_tracked")
_SUFFIXES = (".pt", ".json", ".npy")


def card(path: Path) -> dict[str, Any]:
    """Everything about one file as plain values: `state` and `problem` first, then what is known.

    Args:
        path: of a model file or a search; FileNotFoundError where there is none.
    """
    verdict = look(path)
    if verdict.state == "missing":
        raise FileNotFoundError(path)
    beside = _beside(path, verdict)
    if verdict.header is not None and verdict.state == "good":
        problem, notes = lineage(verdict.header, {key: header for key, header in beside.items() if header})
        state: State = "stale" if problem else "good"
        verdict = replace(verdict, state=state, problem=problem, notes=(*verdict.notes, *notes))
    made: dict[str, Any] = {"file": str(path), "state": verdict.state, "problem": verdict.problem or None}
    made["notes"] = list(verdict.notes)
    if verdict.header is None:
        return made | {"sidecar": _told(read_sidecar(path))}
    return made | _about(path, verdict.header, beside)


def _beside(path: Path, verdict: Verdict) -> dict[str, Header | None]:
    """The parents in the same folder; None for one that is not there or not whole."""
    found: dict[str, Header | None] = {}
    meta: Mapping[str, Any] = verdict.header.metadata if verdict.header else {}
    for key in meta.get("parents", {}):
        found[key] = None
        for suffix in _SUFFIXES:
            try:
                found[key] = check(path.with_name(f"{key}{suffix}"))
                break
            except (OSError, HpmkdError):
                continue
    return found


def _about(path: Path, header: Header, beside: Mapping[str, Header | None]) -> dict[str, Any]:
    meta = dict(header.metadata)
    parents = meta.pop("parents", {})
    recipe, versions = meta.pop("recipe", {}), meta.pop("versions", {})
    about: dict[str, Any] = {
        "accuracy_pct": header.accuracy,
        "train_seconds": None if math.isnan(header.train_time) else header.train_time,
        "timestamp": header.timestamp,
        "size": header.size,
        "sha256": header.sha256,
        "parents": [_parent(key, weights, beside.get(key)) for key, weights in parents.items()],
        "recipe": recipe,
        "versions": versions,
        "metadata": {name: None if _is_nan(value) else value for name, value in meta.items()},
    }
    if path.suffix == ".pt":
        about |= _counts(examine(path)[1])
    return about


def _is_nan(value: Any) -> bool:
    return isinstance(value, float) and math.isnan(value)


def _parent(key: str, weights: str, header: Header | None) -> dict[str, Any]:
    """One parent: the weights that this model learnt from, and whether the file beside it still has them."""
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
