"""What pydantic expects of a value, in words for people who write configs."""

from __future__ import annotations

_WORDS = {
    "a valid integer": "a whole number",
    "a valid number": "a number",
    "a valid string": "text",
    "a valid boolean": "true or false",
    "a valid list": "a list",
}


def in_words(message: str) -> str:
    """A message of pydantic without what is for programmers: `a whole number`, `greater than 0`."""
    text = message.removeprefix("Value error, ").removeprefix("Input should be ").partition(", unable to ")[0]
    return _WORDS.get(text, text)
