"""How names of classes are written: those that say nothing, and those that may be one class by mistake. No torch."""

from __future__ import annotations

import contextlib
import decimal
import unicodedata
from collections.abc import Callable, Hashable, Iterable, Sequence

from hpmkd.data.source.listing import named

# What pandas, R and Python write where there is no value; a class called `none` or `null` is another.
_NOTHING = {"nan", "NaN", "NAN", "NA", "N/A", "n/a", "<NA>", "NaT", "None", "NULL"}


def says_nothing(text: str) -> bool:
    """Whether a label in a table or list is none: empty, or what programs write in place of one."""
    return not text.strip() or text.strip() in _NOTHING


def composed(name: str) -> str:
    """Names from a Mac have their accents as characters of their own: the same names."""
    return unicodedata.normalize("NFC", name)


def remarks(names: Iterable[str]) -> list[str]:
    """What may be a mistake in the names of classes, for people.

    Args:
        names: of all labels and folders, as they are written.

    Returns:
        A sentence on names that are nearly the same and yet are different classes, and one on those that are read as
        one class though their characters differ; none where there are no such names.
    """
    every = sorted(set(names))
    said = []
    alike = _groups(sorted(set(map(composed, every))), _roughly)
    if alike:
        pairs = (" and ".join(map(repr, group)) for group in alike)
        said.append(f"classes whose names differ only by spaces, capitals or the format of numbers: {named(pairs)}")
    if merged := _groups(every, composed):
        which = (composed(group[0]) for group in merged)
        said.append(f"names written with accents as one character and as two are read as one class: {named(which)}")
    return said


def _groups(names: Sequence[str], key: Callable[[str], Hashable]) -> list[list[str]]:
    """The names that share a key with others."""
    groups: dict[Hashable, list[str]] = {}
    for name in names:
        groups.setdefault(key(name), []).append(name)
    return [group for group in groups.values() if len(group) > 1]


def _roughly(name: str) -> str | decimal.Decimal:
    """What is left of a name without spaces at its ends, capitals, and ways to write a number."""
    text = " ".join(name.casefold().split())
    with contextlib.suppress(decimal.InvalidOperation):
        number = decimal.Decimal(text)  # a float would be the same for two long identifiers
        return number if number.is_finite() else text
    return text
