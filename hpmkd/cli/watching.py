"""Shows a state again and again, until nothing works at it any more."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from hpmkd.text_table import TextTable

T = TypeVar("T")
Part = Text | TextTable


@dataclass(frozen=True)
class View(Generic[T]):
    """How a state is read and shown.

    Args:
        read: looks now.
        parts: of a state, for people.
        values: of a state, for JSON.
        goes_on: whether something works at it.
    """

    read: Callable[[], T]
    parts: Callable[[T], Sequence[Part]]
    values: Callable[[T], Mapping[str, Any]]
    goes_on: Callable[[T], bool]


def show(view: View[T], as_json: bool) -> T:
    """Once; the state."""
    found = view.read()
    if as_json:
        print(json.dumps(view.values(found), indent=1))
    else:
        _print(Console(highlight=False), view.parts(found))
    return found


def watch(view: View[T], every: float, as_json: bool) -> T:
    """On a terminal in place, else whenever it changes: lines of JSON, or all of it; the last state.

    Args:
        view: of what.
        every: seconds between two looks.
        as_json: JSON.
    """
    console, found = Console(highlight=False), view.read()
    if not as_json and console.is_terminal:
        return _in_place(view, found, every, console)
    shown = None
    while True:
        if (values := view.values(found)) != shown:
            if as_json:
                print(json.dumps(values), flush=True)
            else:
                _print(console, view.parts(found))
            shown = values
        if not view.goes_on(found):
            return found
        time.sleep(every)
        found = view.read()


def _in_place(view: View[T], found: T, every: float, console: Console) -> T:
    with Live(Group(*view.parts(found)), console=console, auto_refresh=False) as live:
        while view.goes_on(found):
            time.sleep(every)
            found = view.read()
            live.update(Group(*view.parts(found)), refresh=True)
    return found


def _print(console: Console, parts: Sequence[Part]) -> None:
    """Without line breaks in paths and commands, so that they can be copied."""
    for part in parts:
        console.print(part, soft_wrap=isinstance(part, Text))
