"""Arguments of the functions that users import from `hpmkd`: what is of another kind is told by its name."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hpmkd.config.paths import user_path
from hpmkd.errors import UsageError

_PATH = "a path (str or os.PathLike)"


def path_of(value: object, name: str) -> Path:
    """A path that was given as the argument `name`, with `~` expanded.

    Raises:
        UsageError: it is of another type, empty, or no path on this system.
    """
    text = os.fspath(value) if isinstance(value, os.PathLike) else value
    if not isinstance(text, str):
        raise wrong(name, _PATH, value)
    return user_path(text, name)


def text_of(value: object, name: str, expected: str = "a name") -> str:
    """Text that was given as an argument; UsageError where it is none, or empty."""
    if not isinstance(value, str) or not value:
        raise wrong(name, f"{expected} (str)", value)
    return value


def number_of(value: Any, name: str, expected: str) -> float:
    """A number, one of numpy or torch too; UsageError where it is none."""
    try:
        if isinstance(value, str | bytes):
            raise TypeError(name)
        return float(value)
    except (TypeError, ValueError) as error:
        raise wrong(name, expected, value) from error


def flag_of(value: object, name: str) -> bool:
    """True or False and nothing else: "no" would count as true."""
    if not isinstance(value, bool):
        raise wrong(name, "True or False", value)
    return value


def mapping_of(value: object, name: str, example: str) -> Mapping[Any, Any]:
    """A mapping; UsageError where it is none."""
    if not isinstance(value, Mapping):
        raise wrong(name, f"a mapping, such as {example}", value)
    return value


def wrong(name: str, expected: str, value: object) -> UsageError:
    """The error for an argument of another kind than expected."""
    text = repr(value)
    shown = text if len(text) <= 80 else f"{text[:60]}..."
    return UsageError(
        f"argument {name}: of the wrong kind", expected=expected, found=f"{shown} ({type(value).__name__})",
        todo=f"correct {name}; help() of the function says what it takes",
    )  # fmt: skip


def contains_itself(name: str) -> UsageError:
    """The error for an argument in which some value contains itself."""
    return UsageError(
        f"argument {name}: a value contains itself, or is nested too deeply",
        expected="plain values",
        found="more levels than Python follows",
        todo=f"take that value out of {name}",
    )
