"""What pydantic expects of a value, in words for people who write configs."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

_WORDS = {
    "Extra inputs are not permitted": "a known key",
    "Field required": "it to be set",
    "a valid integer": "a whole number",
    "a valid number": "a number",
    "a valid string": "text",
    "a valid boolean": "true or false",
    "a valid list": "a list",
}


def in_words(message: str) -> str:
    """A message of pydantic without what is for programmers: `a whole number`, `greater than 0`."""
    text = message.removeprefix("Value error, ").removeprefix("Input should be ").partition(", unable to ")[0]
    if text.startswith("a valid dictionary"):
        return "a mapping of keys to values"
    return _WORDS.get(text, text)


def first_problem(error: ValidationError) -> Any:
    """The first problem; of a key that is missing and an unknown one beside it the latter: it is that, misspelled."""
    first = error.errors()[0]
    beside = [one for one in error.errors() if one["loc"][:-1] == first["loc"][:-1]]
    unknown = [one for one in beside if one["type"] == "extra_forbidden"]
    return unknown[0] if first["type"] == "missing" and unknown else first


def inside_a_mapping(
    field: FieldInfo | None, problem: Mapping[str, Any], messages: Iterable[str]
) -> tuple[list[str], str]:
    """What is expected, and the key that was meant (empty: none), where a key holds a mapping, as `pairs` does.

    Args:
        field: of the key; None: there is none.
        problem: of pydantic.
        messages: what is expected, in words; it comes back where the problem is not inside a mapping.
    """
    names, near = [str(part) for part in problem["loc"]], ""
    if field is None or get_origin(field.annotation) is not dict or len(names) < 2:
        return list(messages), near
    if problem["type"] == "extra_forbidden":
        known = _keys_inside(field, names)
        near = next(iter(difflib.get_close_matches(names[-1], known, 1)), "")
        messages = [f"one of the keys {', '.join(known)}"]
    return [f"{'.'.join(names)}: {message}" for message in messages], near


def _keys_inside(field: FieldInfo, names: Sequence[str]) -> list[str]:
    """The keys that are known where `names` ends, below a key that holds a mapping of sections: `pairs.a.teachr`."""
    model: Any = get_args(field.annotation)[1]
    for name in names[2:-1]:
        parts = model.model_fields[name].annotation
        model = next(one for one in (parts, *get_args(parts)) if isinstance(one, type) and issubclass(one, BaseModel))
    return list(model.model_fields)
