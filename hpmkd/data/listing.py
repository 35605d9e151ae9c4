"""Lists of names in messages."""

from __future__ import annotations

from collections.abc import Iterable

LIMIT = 10


def shown(text: str) -> str:
    """A name as it can be printed anywhere: bytes that are not UTF-8 as `\\xe9`, line breaks as `\\n`."""
    try:
        text = text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    except UnicodeEncodeError:  # half of a UTF-16 pair, from JSON
        text = text.encode("utf-8", "backslashreplace").decode("utf-8")
    return text.replace("\n", "\\n").replace("\r", "\\r")


def listed(lines: Iterable[str]) -> str:
    """One line per entry, at most ten; then how many more there are."""
    every = [shown(line) for line in lines]
    if len(every) == 1:
        return every[0]
    rest = [f"and {len(every) - LIMIT:,} more"] if len(every) > LIMIT else []
    return "".join(f"\n    {line}" for line in [*every[:LIMIT], *rest])


def named(names: Iterable[str]) -> str:
    """Names in one line, at most ten; then how many more there are."""
    every = [shown(name) for name in names]
    rest = [f"and {len(every) - LIMIT:,} more"] if len(every) > LIMIT else []
    return ", ".join([*every[:LIMIT], *rest])


def count(number: int, one: str, many: str | None = None) -> str:
    """`1 image`, `1,200 images`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"
