"""What is said to people. A terminal that was closed, or a pipe that nobody reads, never ends a sweep."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from rich.table import Table


def tell(text: str) -> None:
    """A line of progress."""
    try:
        print(text, flush=True)
    except OSError:
        _mute("stdout")


def warn(text: str) -> None:
    """A line that is said even with --quiet."""
    try:
        print(text, file=sys.stderr, flush=True)
    except OSError:
        _mute("stderr")


def show(tables: Iterable[Table]) -> None:
    """Tables, as wide as the terminal."""
    from rich.console import Console

    try:
        console = Console()
        for table in tables:
            console.print(table)
    except OSError:
        _mute("stdout")


def _mute(name: Literal["stdout", "stderr"]) -> None:
    """From now on nothing is written there: Python's own flush at its exit would fail again."""
    setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115 - it stays open


class BadNews(str):
    """A line about a failure: red where there is colour."""

    __slots__ = ()


def silent(line: str) -> None:
    """For whoever may say something and is not heard: `-q`, and callers that want no lines."""
