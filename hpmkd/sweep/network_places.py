"""Where a network from elsewhere lies: found without importing it."""

from __future__ import annotations

import importlib.machinery
import os
import sys
import sysconfig
from pathlib import Path

from hpmkd.config.networks import PRETRAINED, ModelConfig
from hpmkd.config.own import Locator, is_own, locate
from hpmkd.errors import EnvironmentProblem, UsageError


def gone(network: ModelConfig) -> list[str]:
    """Files of it, or its module, that are no longer where they were: what was noted, and the copies, are what there
    is."""
    weights = getattr(network, "weights", None)
    files = [str(weights)] if weights not in (None, PRETRAINED) else []
    if is_own(network.arch):
        locator = locate(network.arch, "")
        if locator.is_file:
            files.append(locator.place)
        elif not locator.is_library and module_of(locator) is None:
            return [f"the module {locator.place}"]
    return [file for file in files if not Path(file).exists()]


def module_of(locator: Locator) -> importlib.machinery.ModuleSpec | None:
    """Of the module or package that it names the first part of; None: there is none."""
    top = locator.place.partition(".")[0]
    found = importlib.machinery.PathFinder.find_spec(top, [os.getcwd(), *sys.path])
    return None if found is None or (found.origin is None and not found.submodule_search_locations) else found


def folder_of(locator: Locator, where: str) -> Path | None:
    """Where the user's module is imported from; None: it belongs to an installed package. `where`: for errors."""
    if locator.is_library:
        _need_library(locator.place, where)
        return None
    if locator.is_file:
        return Path(locator.place).parent.absolute()
    found = module_of(locator)
    if found is None:
        raise UsageError(
            f"{where}: no module {locator.place.partition('.')[0]}",
            expected="a module or package in the working folder, or one that is installed",
            found=f"none of that name in {os.getcwd()} or in this environment",
            todo=f"correct it, start the command where it lies, or name the file: path/to/file.py:{locator.factory}",
        )
    lies = Path(found.origin) if found.origin else Path(next(iter(found.submodule_search_locations or []))) / "x"
    root = lies.parent.parent if found.submodule_search_locations else lies.parent
    installed = {sysconfig.get_path(name) for name in ("purelib", "platlib", "stdlib")}
    return None if str(root) in installed else root.absolute()


def _need_library(name: str, where: str) -> None:
    if importlib.machinery.PathFinder.find_spec(name) is None:
        raise EnvironmentProblem(
            f"{where}: the package {name} is not installed",
            expected="the optional extra timm" if name == "timm" else name,
            found="none",
            todo="pip install -e '.[timm]'" if name == "timm" else f"pip install {name}",
        )
