"""Settings as code gives them, made into what a YAML file could hold."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any


def flattened(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Settings from Python, by dotted keys: `{"fit": {"lr": 1e-3}}` is `{"fit.lr": 1e-3}`, so that the rest of a
    section stays as it is. Numbers of numpy and torch, tuples, sets and paths become plain values."""
    flat: dict[str, Any] = {}
    for name, value in settings.items():
        if isinstance(value, Mapping) and prefix + name not in _MAPPINGS:
            flat |= flattened(value, f"{prefix}{name}.")
        else:
            flat[f"{prefix}{name}"] = _plain(value)
    return flat


_MAPPINGS = ("vary", "pairs", "data.confused")  # keys whose value is a mapping of the user's own


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if hasattr(value, "dtype") and hasattr(value, "tolist"):  # an array or a scalar; numpy need not be imported
        return value.tolist()
    if isinstance(value, set | frozenset):
        return sorted(
            map(_plain, value), key=lambda one: (type(one).__name__, one if isinstance(one, str) else repr(one))
        )
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return value
