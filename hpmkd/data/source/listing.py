"""Lists of names in messages."""

from __future__ import annotations

import re
from collections.abc import Iterable

LIMIT = 10
_LONGEST = 300  # characters of an entry: a longer one is cut in its middle


def shown(text: str) -> str:
    """A name as it can be printed anywhere: bytes that are not UTF-8 as `\\xe9`, and control characters too."""
    try:
        text = text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    except UnicodeEncodeError:  # half of a UTF-16 pair, from JSON
        text = text.encode("utf-8", "backslashreplace").decode("utf-8")
    return re.sub(r"[\x00-\x1f\x7f]", lambda found: f"\\x{ord(found[0]):02x}", text)


def cut(text: str, most: int = 60) -> str:
    """A long text without its middle, and how long it is; texts of `most` characters as they are."""
    if len(text) <= most:
        return text
    return f"{text[: most * 3 // 4]} ... {text[-most // 8 :]} ({len(text):,} characters)"


def listed(lines: Iterable[str]) -> str:
    """One line per entry, at most ten; then how many more there are."""
    every = [cut(shown(line), _LONGEST) for line in lines]
    if len(every) == 1:
        return every[0]
    rest = [f"and {len(every) - LIMIT:,} more"] if len(every) > LIMIT else []
    return "".join(f"\n    {line}" for line in [*every[:LIMIT], *rest])


def named(names: Iterable[str], most: int = LIMIT) -> str:
    """Names in one line, `most` of them; then how many more there are."""
    every = [cut(shown(name), _LONGEST) for name in names]
    rest = [f"and {len(every) - most:,} more"] if len(every) > most else []
    return ", ".join([*every[:most], *rest])


def count(number: int, one: str, many: str | None = None) -> str:
    """`1 image`, `1,200 images`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def some_of(number: int, whole: int, one: str, many: str | None = None, verb: str = "is") -> str:
    """`1 of 6 cells is`, `2 of 6 cells are`: the verb (`is`, `was`, `has`, `lacks`) agrees with the part."""
    plurals = {"is": "are", "was": "were", "has": "have"}
    said = verb if number == 1 else plurals.get(verb, verb.removesuffix("s"))
    return f"{number:,} of {count(whole, one, many)} {said}"
