"""Looks at methods that users bring, in a process of its own: whether they are methods, and what they need.

See `child_process.run`, and `main`.
"""

from __future__ import annotations

import contextlib
import inspect
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from hpmkd.config.fields import Section
from hpmkd.config.own import Locator
from hpmkd.config.own_section import Unsupported, section_of
from hpmkd.methods.base import Distiller, FeatureDistiller, LogitDistiller, OnKD
from hpmkd.methods.own import locator_of
from hpmkd.own_code.copies import copied, installed
from hpmkd.own_code.fault import Fault, place
from hpmkd.own_code.importing import find, importing

_KINDS: dict[type[Distiller], str] = {FeatureDistiller: "features", OnKD: "kd", LogitDistiller: "logits"}
_TAPS = {"features", "embedding", "pre_activations", "last_maps"}
_TEACHERS = ("none", "one", "several")


def main(folder: Path) -> None:
    """Answers each question of a list with what a method is, or with what is wrong with it.

    Args:
        folder: `request.json` there is a list. Of each: `place`, such as `/path/file.py:Class`; `folder`, where its
            module is imported from (null: from where Python finds it); `copy`, a folder that does not exist.
            `answer.json` will be the list of answers: the fields of `OwnMethod` but for `name` and `place`, or `fault`
            (`expected`, `found`, `todo`).
    """
    with contextlib.redirect_stdout(sys.stderr):  # of the user's module
        answers = [_answer(**one) for one in json.loads((folder / "request.json").read_text())]
    (folder / "answer.json").write_text(json.dumps(answers))


def _answer(place: str, folder: str | None, copy: str | None) -> dict[str, Any]:
    locator = locator_of(place)
    try:
        with importing(locator, folder) as files:
            with telling(locator):
                found = find(locator, folder)
            about = _about(found, locator)
            source = installed(locator) if folder is None else ""
    except Fault as fault:
        return {"fault": fault.words}
    if folder is None or copy is None:
        return {**about, "source": source, "files": []}
    own = sorted(set(files))
    source = copied(own, Path(folder), Path(copy))
    return {**about, "source": source, "files": [one.relative_to(folder).as_posix() for one in own]}


@contextlib.contextmanager
def telling(locator: Locator) -> Iterator[None]:
    """What goes wrong while a user's module is imported, as a `Fault`."""
    try:
        yield
    except Fault:
        raise
    except Exception as error:
        where = place(error)
        if isinstance(error, AttributeError) and not where:
            raise Fault(
                f"a class {locator.factory} in {locator.place}", f"no {locator.factory}",
                "correct the name behind the colon",
            ) from error  # fmt: skip
        said = f"{type(error).__name__}: {next(iter(str(error).splitlines()), '')}{where}"
        todo = "correct it there"
        if "relative import" in said:
            todo = f"name the package's module, not its file: package.module:{locator.factory}"
        raise Fault("a module that can be imported", said, todo) from error


def _about(found: Any, locator: Locator) -> dict[str, Any]:
    if not (inspect.isclass(found) and issubclass(found, Distiller)):
        kind = "a class" if inspect.isclass(found) else f"of type {type(found).__name__}"
        raise Fault(
            "a subclass of one of hpmkd.methods.base: FeatureDistiller, LogitDistiller, OnKD, Distiller",
            f"{locator.factory} is {kind} that is none",
            "have the class inherit from one of them",
        )
    kind = next((name for base, name in _KINDS.items() if issubclass(found, base)), "plain")
    _need_its_loss(found, kind)
    needs = _listed(found.needs)
    if not set(needs) <= _TAPS:
        raise Fault(f"needs: some of {', '.join(sorted(_TAPS))}", ", ".join(map(str, needs)), "correct `needs`")
    if found.learns_from not in _TEACHERS:
        raise Fault(f"learns_from: one of {', '.join(_TEACHERS)}", repr(found.learns_from), "correct `learns_from`")
    if found.learns_from == "none" and kind != "plain":
        raise Fault(
            "a teacher, as the class that it inherits from compares the student with one", "learns_from: none",
            "inherit from Distiller itself, and make the whole loss there",
        )  # fmt: skip
    return {"kind": kind, "teachers": found.learns_from, "needs": needs, "settings": _settings(found)}


def _listed(needs: Any) -> Sequence[str]:
    if isinstance(needs, str) or not isinstance(needs, frozenset | set | tuple | list):
        raise Fault("needs: a frozenset, such as frozenset({'features'})", repr(needs), "correct `needs`")
    return sorted(needs)


def _need_its_loss(found: type[Distiller], kind: str) -> None:
    name, base = {
        "features": ("own", FeatureDistiller), "logits": ("compare", LogitDistiller),
    }.get(kind, ("loss", Distiller))  # fmt: skip
    if getattr(found, name) is getattr(base, name) and found.loss in (Distiller.loss, base.loss):
        raise Fault(
            f"a method `{name}` that gives its terms: def {name}{_parameters(base, name)}", "none",
            "write it: help(hpmkd.methods.base) says what it is given",
        )  # fmt: skip


def _parameters(base: type[Distiller], name: str) -> str:
    return f"({', '.join(inspect.signature(getattr(base, name)).parameters)})"


def _settings(found: type[Distiller]) -> dict[str, Any]:
    section: Any = found.Settings
    if section is None:
        return {"title": "Settings", "properties": {}}
    if not (inspect.isclass(section) and issubclass(section, BaseModel)):
        raise Fault("Settings: a class of fields, `class Settings(Section)`", repr(section), "inherit from Section")
    if not issubclass(section, Section):
        raise Fault(
            "Settings that inherit from hpmkd.methods.settings.Section, which takes no unknown keys",
            f"{section.__name__}, a pydantic model of another kind", "have it inherit from Section",
        )  # fmt: skip
    try:
        schema = section.model_json_schema()
        section_of(json.dumps(schema))
        section.model_validate(section().model_dump(warnings=False))
    except Unsupported as error:
        raise Fault(
            "settings with a default: numbers, text, true or false, choices (Literal), or lists of them",
            str(error), "give it a default, or make it of plain values",
        ) from error  # fmt: skip
    except ValidationError as error:
        first = error.errors()[0]
        said = f"{'.'.join(map(str, first['loc']))} = {first['input']!r}: {first['msg']}"
        raise Fault("settings whose defaults they accept themselves", said, "correct the default") from error
    except Exception as error:
        said = f"{type(error).__name__}: {next(iter(str(error).splitlines()), '')}"
        raise Fault("a section that has defaults which it accepts itself", said, "correct it there") from error
    return schema
