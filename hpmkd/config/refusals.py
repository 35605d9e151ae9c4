"""What is wrong with a config, in words: where, what was expected, what was found, what to do."""

from __future__ import annotations

import difflib
import json
from collections.abc import Container, Mapping, Sequence

from pydantic import ValidationError
from pydantic.fields import FieldInfo

from hpmkd.config.fields import Rejected
from hpmkd.config.keys import RENAMED_KEYS, RENAMED_VALUES, default_of, known_keys, leaves, type_name
from hpmkd.config.sweep import SweepConfig
from hpmkd.config.wording import first_problem, in_words, inside_a_mapping
from hpmkd.errors import UsageError


def readable(
    error: ValidationError, where: str, written: Mapping[str, str], model: type[SweepConfig] = SweepConfig
) -> UsageError:
    """What pydantic found wrong in `where`, in words. `written`: key -> where the user wrote it."""
    first, fields = first_problem(error), dict(leaves(model))
    keys = [_key_of(one["loc"], fields) for one in error.errors()]
    names, key = [str(part) for part in first["loc"]], _key_of(first["loc"], fields)
    rejected = first.get("ctx", {}).get("error")
    if isinstance(rejected, Rejected):
        return _rejected(rejected, rejected.key or key, where, written)
    below = [at for name, at in written.items() if key in fields and name.startswith(f"{key}.")]
    place = written.get(".".join(names)) or written.get(key) or next(iter(below), where)
    # A key that may hold one of several types has a message for each: one problem.
    problems = len(set(keys))
    rest = f" ({problems} problems, this is the first)" if problems > 1 else ""
    if first["type"] == "extra_forbidden" and key not in fields:
        found = f"{key}: {first['input']!r}"
        return _unknown(key, known_keys(names[:-1], model), found=found, where=f"{place}: unknown key `{key}`{rest}")
    field = fields.get(key)
    renamed = RENAMED_VALUES.get((key, str(first["input"])))
    messages = dict.fromkeys(in_words(one["msg"]) for one, own in zip(error.errors(), keys, strict=True) if own == key)
    expected, near = inside_a_mapping(field, first, messages)
    return UsageError(
        f"{place}: bad value for `{key}`{rest}" if key else f"{place}: {first['msg']}{rest}",
        expected=", or: ".join(expected) + (f" ({type_name(field.annotation)}: {field.description})" if field else ""),
        found="nothing" if first["type"] == "missing" else repr(first["input"]),
        todo=f"it is called `{renamed}` since 0.2"
        if renamed
        else f"did you mean `{near}`?"
        if near
        else _advice(key, field, model),
    )


def _unknown(key: str, known: Sequence[str], found: str, where: str) -> UsageError:
    if key in RENAMED_KEYS:
        return UsageError(where, todo=f"it is called `{RENAMED_KEYS[key]}` since 0.2")
    close = difflib.get_close_matches(key.rpartition(".")[2], known, 1)
    return UsageError(
        where,
        expected="one of the known keys: " + ", ".join(known),
        found=found,
        todo=f"did you mean `{close[0]}`?" if close else "remove it or correct its name",
    )


def _rejected(fault: Rejected, key: str, where: str, written: Mapping[str, str]) -> UsageError:
    place = written.get(f"{key}.{fault.entry}") or written.get(key, where)
    return UsageError(f"{place}: bad value for `{key}`", expected=str(fault), found=fault.found, todo=fault.todo)


def _advice(key: str, field: FieldInfo | None, model: type[SweepConfig]) -> str:
    """What to do about a bad value: of a key that has a default, that is an example."""
    if field is None:
        return "known keys here: " + ", ".join(known_keys(key.split(".")[:-1], model))
    if field.examples:
        return f"correct it, for example {key}: {field.examples[0]}, or leave it out"
    default = default_of(key, model)
    if field.is_required() or default in (None, [], ""):
        return "correct it, or leave it out" if not field.is_required() else "correct it"
    return f"correct it, for example {key}: {json.dumps(default)}, or leave it out"


def _key_of(place: Sequence[str | int], known: Container[str]) -> str:
    """The config key that pydantic means: without places in lists, and without the types that a value may have."""
    names = [str(part) for part in place if not isinstance(part, int)]
    for count in range(1, len(names)):
        if ".".join(names[:count]) in known:
            return ".".join(names[:count])
    return ".".join(names)
