"""Imports the modules of users: from where they lie, or from the copy in the output of a sweep."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from hpmkd.config.own import Locator

_HPMKD, _PYTHON = Path(__file__).parents[1], Path(sysconfig.get_path("stdlib"))


def find(locator: Locator, origin: str | None) -> Any:
    """What a locator names. Its module is imported here, from `origin` where there is a copy of its source.

    Raises:
        AttributeError: the module has no such name. Whatever the import raises.
    """
    module = _from_file(locator, origin) if locator.is_file else importlib.import_module(locator.place)
    return getattr(module, locator.factory)


def _from_file(locator: Locator, origin: str | None) -> ModuleType:
    """Under a name that no other module has: a file may be called as one of Python's own."""
    path = Path(locator.place) if origin is None else Path(origin) / Path(locator.place).name
    name = f"hpmkd_own_{path.stem}"
    loader = importlib.util.spec_from_file_location(name, path)
    if loader is None or loader.loader is None:
        raise ImportError(f"no Python file: {path}")
    module = importlib.util.module_from_spec(loader)
    sys.modules[name] = module  # as dataclasses and pickles need it
    try:
        loader.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


@contextlib.contextmanager
def importing(locator: Locator, folder: str | None) -> Iterator[list[Path]]:
    """While a user's modules are imported from a folder (None: from where Python finds them).

    The folder comes first, modules of that name from elsewhere are set aside, and what was imported from it is
    forgotten afterwards, so that two of them may have helpers of one name.

    Yields:
        Filled afterwards: the files that were imported from the folder.
    """
    files: list[Path] = []
    if folder is None:
        yield files
        return
    top = locator.place.partition(".")[0]
    aside = {name: sys.modules.pop(name) for name in list(sys.modules) if name.partition(".")[0] == top}
    if locator.is_file:
        sys.modules.update(aside)  # the file is imported under a name of its own
    before = set(sys.modules)
    sys.path.insert(0, folder)
    importlib.invalidate_caches()
    try:
        yield files
    finally:
        sys.path.remove(folder)
        for name in set(sys.modules) - before:
            file = getattr(sys.modules[name], "__file__", None)
            if file and is_users(Path(file), Path(folder)):
                files.append(Path(file))
                del sys.modules[name]
        sys.modules.update(aside)


def is_users(file: Path, folder: Path) -> bool:
    """Whether a file in a folder is the user's own: not of a package that is installed there, nor of this one."""
    inside = file.is_relative_to(folder) and file.suffix == ".py"
    installed = {"site-packages", "dist-packages"} & set(file.parts)
    return inside and not installed and not file.is_relative_to(_HPMKD) and not file.is_relative_to(_PYTHON)
