"""A model file as a user named it: what is said of one that is none. No torch, so that it is said at once."""

from __future__ import annotations

import os
from pathlib import Path

from hpmkd.errors import DamagedModel, UsageError
from hpmkd.plan.roles import NETWORK_SUFFIX, SUFFIXES
from hpmkd.store.sidecar import sidecar_path

_SIDECARS = tuple(f"{suffix}.json" for suffix in SUFFIXES if suffix != ".json")  # see `sidecar_path`


def refuse_sidecar(path: Path) -> None:
    """UsageError for the JSON beside a model, which has the model's name: who reads it wants the model."""
    if path.name.endswith(_SIDECARS):
        model = path.with_suffix("")
        raise UsageError(
            f"{path}: the sidecar of {model.name}",
            expected="a model file",
            found="what is known about one, as JSON",
            todo=f"name {model}",
        )


def need_network_file(path: Path, or_folder: bool = False) -> None:
    """UsageError unless there is a file that could be a network's, by its name.

    Args:
        path: what was named.
        or_folder: whether the folder of a sweep could have been named, too.
    """
    refuse_sidecar(path)
    if path.suffix not in set(SUFFIXES) - {NETWORK_SUFFIX} and path.is_file():
        return
    found = "a folder" if path.is_dir() else "another kind of result" if path.is_file() else "another kind of file"
    raise UsageError(
        f"{path}: no model file",
        expected=f"a {NETWORK_SUFFIX} file of a sweep" + (", or a sweep's folder" if or_folder else ""),
        found=found if os.path.lexists(path) else "no such file or folder",
        todo="correct the path: they lie in models/ of a sweep's output",
    )


def not_whole(path: Path, error: DamagedModel) -> UsageError:
    """The error for a file that was named and holds no whole model."""
    return UsageError(
        f"{path}: not a whole model",
        expected=f"a {NETWORK_SUFFIX} file that a sweep wrote",
        found=error.found,
        todo="name another file; one of a sweep is trained again by hpmkd run --restore DIR",
    )


def of_a_sweep(path: Path) -> bool:
    """Whether a sweep can have written it: then what is damaged is made again, else it never was a model."""
    return path.suffix == NETWORK_SUFFIX or sidecar_path(path).is_file()
