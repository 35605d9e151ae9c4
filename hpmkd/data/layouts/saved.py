"""Folders that `datasets.save_to_disk` wrote: Arrow files per split, and what is in them as JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hpmkd.config.sweep import DataConfig
from hpmkd.data.layouts.tables import inventory_of
from hpmkd.data.source.inventory import Inventory
from hpmkd.data.source.listing import named, some_of
from hpmkd.data.source.parts import choose, part_of
from hpmkd.data.source.tree import File, Folder, Tree
from hpmkd.errors import EnvironmentProblem

NAME = "datasets.save_to_disk"
_STATE = "state.json"


def fits(tree: Tree, base: Folder) -> bool:
    """Whether a training split is there that `save_to_disk` wrote."""
    states = [folder.files.get(_STATE) for name, folder in base.folders.items() if part_of(name) == "train"]
    return any(state is not None and state.local is not None for state in states)


def take(tree: Tree, base: Folder, config: DataConfig) -> Inventory:
    """The inventory; EnvironmentProblem where Arrow files are missing."""
    splits = {name: folder for name, folder in base.folders.items() if _STATE in folder.files}
    train_name, test_name, notes = choose(base.place, [name for name in splits if part_of(name)])
    files = [(name, _data_files(splits[name])) for name in (train_name, test_name)]
    return inventory_of(
        tree, NAME, train=files[0], test=files[1], config=config, notes=notes, roots=[tree.source, Path(base.place)]
    )


def _data_files(folder: Folder) -> list[File]:
    """The Arrow files of a split, as its state lists them."""
    state = _json(folder.files[_STATE])
    entries = state.get("_data_files")
    names = [one.get("filename") for one in entries if isinstance(one, dict)] if isinstance(entries, list) else []
    missing = [str(name) for name in names if name not in folder.files]
    if missing or not names:
        raise EnvironmentProblem(
            f"{folder.place}: {some_of(len(missing), len(names), 'Arrow file')} missing",
            expected=f"the files that {_STATE} lists",
            found="missing: " + named(missing) if missing else "a list without files",
            todo="copy them there, or save the data set again",
        )
    if state.get("_indices_data_files") or state.get("_indices_files"):
        raise EnvironmentProblem(
            f"{folder.place}: a selection of rows that only `datasets` can apply",
            todo="save it again with dataset.flatten_indices().save_to_disk(...)",
        )
    return [folder.files[str(name)] for name in names]


def _json(file: File) -> dict[str, Any]:
    try:
        found = json.loads(file.read())
    except (OSError, ValueError) as error:
        raise EnvironmentProblem(
            f"{file.place}: cannot be read",
            expected="JSON",
            found=str(error),
            todo="copy an intact file there, or save the data set again with save_to_disk",
        ) from error
    return found if isinstance(found, dict) else {}
