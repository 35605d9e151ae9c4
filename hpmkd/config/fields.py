"""The base of every part of the config, and the types of its values."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field
from pydantic.config import JsonDict

PositiveInt = Annotated[int, Field(ge=1)]
Epochs = Annotated[int, Field(ge=1, le=100_000)]
Fraction = Annotated[float, Field(ge=0, le=1)]
NonNegative = Annotated[float, Field(ge=0)]
Positive = Annotated[float, Field(gt=0)]
Smoothing = Annotated[float, Field(ge=0, lt=1)]
# A key that came later: where it has its default it is no part of a recipe, so that older fingerprints stay true.
OPTION: JsonDict = {"option": True}
# A key that the plan reads, not the loss: what it does shows elsewhere in the recipe.
PLAN: JsonDict = {"plan": True}


class Rejected(ValueError):
    """A value that a check of ours rejects. The message says what was expected.

    Args:
        expected: in words.
        found: the part of the value that is wrong, as it is shown; the rest of the config is no part of it.
        todo: what to do.
        key: the config key, such as `fit.lr`, where the check is that of a whole section.
        entry: the place of the wrong entry in a list, from 0.
    """

    def __init__(self, expected: str, *, found: str, todo: str, key: str = "", entry: int | None = None) -> None:
        self.found, self.todo, self.key, self.entry = found, todo, key, entry
        super().__init__(expected)


_FILE_WORD = re.compile(r"[A-Za-z0-9]+([.-][A-Za-z0-9]+)*")


def file_word(name: str) -> str:
    """Rejected where a name cannot be a part of file names, beside `@`, `+` and `_`, which separate such parts."""
    if len(name) > 40 or not _FILE_WORD.fullmatch(name):
        raise Rejected(
            "letters and digits, with single dots and dashes between them, at most 40 characters",
            found=repr(name),
            todo="rename it, for example r56-r20",
        )
    return name


def each_once(names: Any) -> Any:
    """Rejected where a name comes twice. Upper and lower case do not make another: some file systems do not tell."""
    first: dict[str, str] = {}
    for entry, name in enumerate(names):
        before = first.get(name.casefold())
        if before is not None:
            raise Rejected(
                "each name once (upper and lower case do not tell two of them apart)",
                found=f"{name!r} is named twice" if name == before else f"named twice: {before!r} and {name!r}",
                todo="leave one of them out",
                entry=entry,
            )
        first[name.casefold()] = name
    return names


def each_different(values: Any) -> Any:
    """Rejected where a value comes twice."""
    for entry, value in enumerate(values):
        if value in values[:entry]:
            raise Rejected(
                "each value once", found=f"{value!r} is given twice", todo="leave one of them out", entry=entry
            )
    return values


def need_some(values: Collection[Any], key: str, expected: str) -> None:
    """Rejected where there is no value."""
    if not values:
        raise Rejected(expected, found="none", todo="name what the sweep is to compare", key=key)


class Section(BaseModel):
    """Base of every part of the config: no unknown keys, no conversion, finite numbers, no change after loading."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)
