"""Methods that users bring: found by their names in `baselines`, looked at in a process of its own, noted in the
output.

What a trial imports is the copy of the source in the output, `methods/HASH/`.
"""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from hpmkd.audit.sweep_dir import noted_methods
from hpmkd.config.own import Locator
from hpmkd.config.own_method import METHODS, OwnMethod, method_from_json
from hpmkd.config.sweep import SweepConfig
from hpmkd.config.words import own_word
from hpmkd.errors import UsageError
from hpmkd.files import commit_json
from hpmkd.log import log
from hpmkd.own_code.copies import copied, hash_of
from hpmkd.plan.catalog import BASELINES, root_of
from hpmkd.store.output_dir import OutputDir
from hpmkd.sweep.child import answers_of
from hpmkd.sweep.copying import put
from hpmkd.sweep.network_places import folder_of

_WHERE = "baselines"
_PLACE = re.compile(r"(?P<place>.*\.py|[^\W\d]\w*(\.[^\W\d]\w*)*):(?P<name>[^\W\d]\w*)(-.*)?")
# What keys of recipes begin with besides: a section of that name would be taken for them.
_OF_RECIPES = ("role", "method", "seed", "model", "logits")
# Settings of these names could not be told from words of all baselines.
_TAKEN = (
    "alone", "KD", "LS", "rawLogits", "adaptive", "T", "a", "lsT", "lsWeight", "until", "mixup", "epochs", "M",
)  # fmt: skip


def own_methods(entries: Iterable[Any], output: OutputDir, absolute: Any) -> tuple[OwnMethod, ...]:
    """The methods that a config's entries of `baselines` name and this package has not.

    Args:
        entries: as they are written, of any kind.
        output: of the sweep; what an earlier start has noted there is asked first.
        absolute: makes a path as a user wrote it absolute, given it and where it was written.

    Raises:
        UsageError: a name that means no method, or one that cannot be used.
    """
    wanted = _wanted([one for one in entries if isinstance(one, str)], absolute)
    if not wanted:
        return ()
    before = {(one.name, one.place): one for one in noted_methods(output)}
    kept = {
        name: one for name, place in wanted.items() if (one := before.get((name, place))) and _is_current(one, output)
    }
    new = {name: place for name, place in wanted.items() if name not in kept}
    found = {**kept, **_looked_at(new)}
    for one in found.values():
        _need_words(one)
    return tuple(found[name] for name in wanted)


def _wanted(entries: Sequence[str], absolute: Any) -> dict[str, str]:
    """Name -> place of each, in the order in which they are named."""
    found: dict[str, str] = {}
    spelt: dict[str, str] = {}
    offered: Mapping[str, str] | None = None
    for entry in entries:
        if ":" in entry:
            name, place = _located(entry, absolute)
        elif entry.endswith(".py"):
            raise UsageError(
                f"{_WHERE}: a file without the name of a method", expected=f"{entry}:Class", found=repr(entry),
                todo="name the class in it, behind a colon",
            )  # fmt: skip
        elif root_of(entry, BASELINES) is None:
            offered = _offered() if offered is None else offered
            name = entry.partition("-")[0]
            if name not in offered:
                continue  # it is said when the names are read
            place = offered[name]
        else:
            continue
        _need_name(name, entry)
        # Their sections of the config have small letters, and file systems may not tell these apart from others.
        first = spelt.setdefault(name.casefold(), name)
        if found.setdefault(first, place) != place or first != name:
            raise UsageError(
                f"{_WHERE}: two methods of one name (whatever letters are capitals)",
                expected="a name of its own for each, as files have them",
                found=f"{found[first]} and {place}", todo="rename one of the classes",
            )  # fmt: skip
    return found


def _offered() -> dict[str, str]:
    """What installed packages offer: name -> `module:Class`."""
    return {one.name: one.value.partition(" ")[0] for one in entry_points(group=METHODS)}


def _located(entry: str, absolute: Any) -> tuple[str, str]:
    parts = _PLACE.fullmatch(entry)
    if parts is None:
        raise UsageError(
            f"{_WHERE}: not the place of a method",
            expected="path/to/file.py:Class or package.module:Class, with words as in file.py:Class-beta2",
            found=repr(entry),
            todo="correct it",
        )
    place, name = parts["place"], parts["name"]
    place = str(absolute(place, _WHERE)) if place.endswith(".py") else place
    return name, f"{place}:{name}"


def absolute_entry(entry: str, absolute: Any) -> str:
    """An entry of `baselines` with the whole path of its file, if it names one."""
    place, colon, rest = entry.rpartition(":")
    return f"{absolute(place, _WHERE)}:{rest}" if colon and place.endswith(".py") else entry


def _need_name(name: str, entry: str) -> None:
    taken = {one.casefold() for one in (*BASELINES, *SweepConfig.model_fields, *_OF_RECIPES)}
    if not re.fullmatch("[A-Za-z][A-Za-z0-9]*", name):
        problem, todo = "letters and digits alone: the name is part of files' names", "rename the class: MyMethod"
    elif name.casefold() in taken:
        problem, todo = (
            "a name that no other baseline, no section of the config and no part of a recipe has",
            "rename the class",
        )
    else:
        return
    raise UsageError(f"{_WHERE}: a method called {name}", expected=problem, found=repr(entry), todo=todo)


def _is_current(method: OwnMethod, output: OutputDir) -> bool:
    """Whether what was noted of it holds: its files are those that were looked at, or are gone, and there is a copy."""
    if not method.files:
        return False  # a package may have been updated
    folder = folder_of_place(method)
    if folder is not None:
        return (
            all((folder / file).is_file() for file in method.files) and hash_of(folder, method.files) == method.source
        )
    if not _is_whole(method, output):
        raise UsageError(
            f"{_WHERE}: {method.place} is no longer there",
            expected=f"its copy in {output.methods}, as the sweep has put it there",
            found="none, or one that was changed", todo="put the file back where it was, as it was",
        )  # fmt: skip
    log.info(f"{method.place} is no longer there: the copy of it in {output.methods} is used")
    return True


def _is_whole(method: OwnMethod, output: OutputDir) -> bool:
    """Whether the copy in the output is what its name says."""
    copy = output.method_source(method.source)
    return all((copy / file).is_file() for file in method.files) and hash_of(copy, method.files) == method.source


def folder_of_place(method: OwnMethod) -> Path | None:
    """Where a user's file lies, or the module in the working folder; None: it is gone."""
    locator = _locator(method.place)
    if locator.is_file:
        return Path(locator.place).parent if Path(locator.place).is_file() else None
    try:
        return folder_of(locator, _WHERE)
    except UsageError:
        return None


def _locator(place: str) -> Locator:
    module, _, name = place.rpartition(":")
    return Locator(module, name)


def _looked_at(wanted: Mapping[str, str]) -> dict[str, OwnMethod]:
    if not wanted:
        return {}
    folders = {}
    for name, place in wanted.items():
        locator = _locator(place)
        if locator.is_file and not Path(locator.place).is_file():
            raise UsageError(
                f"{_WHERE}: no such file", expected="a Python file", found=locator.place, todo="correct the path"
            )
        folders[name] = folder_of(locator, _WHERE)
        log.info(f"looking at the method in {locator.place} (it is imported, here and where it is used)")
    with tempfile.TemporaryDirectory(prefix="hpmkd-methods-") as scratch:
        questions = [
            {"place": place, "folder": folder and str(folder), "copy": folder and str(Path(scratch) / name)}
            for (name, place), folder in zip(wanted.items(), folders.values(), strict=True)
        ]
        answers = answers_of("hpmkd.methods.describe", questions, Path(scratch), _WHERE, about=", ".join(wanted))
    found = {}
    for (name, place), answer in zip(wanted.items(), answers, strict=True):
        if "fault" in answer:
            fault = answer["fault"]
            raise UsageError(f"{_WHERE}: {place}", expected=fault["expected"], found=fault["found"], todo=fault["todo"])
        origin = None if folders[name] is None else str(folders[name])
        found[name] = method_from_json({"name": name, "place": place, **answer}, origin)
    return found


def _need_words(method: OwnMethod) -> None:
    for setting in json.loads(method.settings).get("properties", {}):
        if own_word(f"x.{setting}") in _TAKEN:
            raise UsageError(
                f"{_WHERE}: {method.name} has a setting called {setting}",
                expected=f"another name than {', '.join(_TAKEN)}: these are words of every baseline",
                found=setting,
                todo="rename it",
            )


def note_methods(config: SweepConfig, output: OutputDir) -> None:
    """Notes them in the output, for trials and for commands that read, and puts copies of their sources there.

    Raises:
        UsageError: a source that was changed since it was looked at.
    """
    methods = list(config.own_methods.values())
    for one in methods:
        target = output.method_source(one.source)
        if one.origin is None or _is_whole(one, output):
            continue
        if target.is_dir():
            log.warning(f"{target}: the copy of {one.place} was changed; it is put there again")
            shutil.rmtree(target)
        with tempfile.TemporaryDirectory(prefix="hpmkd-methods-") as scratch:
            whole = Path(scratch) / "copy"
            if copied([Path(one.origin) / file for file in one.files], Path(one.origin), whole) != one.source:
                raise UsageError(
                    f"{_WHERE}: {one.place}", expected="the source as it was looked at", found="another one",
                    todo="start again: it was changed in this moment",
                )  # fmt: skip
            put(whole, target)
    if methods or output.methods_file.exists():
        commit_json(output.methods_file, [one.to_json() for one in methods])
