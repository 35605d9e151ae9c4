"""What is wrong with a user's code, in words."""

from __future__ import annotations

import traceback
from pathlib import Path

_HPMKD = f"{Path(__file__).parents[1]}/"


class Fault(Exception):
    """Why it cannot be used: what was expected, what was found, what to do."""

    def __init__(self, expected: str, found: str, todo: str) -> None:
        self.words = {"expected": expected, "found": found, "todo": todo}
        super().__init__(found)


def place(error: BaseException) -> str:
    """Where in a user's own files it happened: the innermost line that is not a library's."""
    frames = traceback.extract_tb(error.__traceback__)
    lines = [one for one in frames if "site-packages" not in one.filename and not one.filename.startswith(_HPMKD)]
    own = [one for one in lines if not one.filename.startswith("<") and "/importlib/" not in one.filename]
    return f" ({Path(own[-1].filename).name}, line {own[-1].lineno})" if own else ""
