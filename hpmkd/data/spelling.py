"""How names of classes are written: those that say nothing, and those that may be one class by mistake. No torch."""

from __future__ import annotations

# What pandas, R and Python write where there is no value; a class called `none` or `null` is another.
_NOTHING = {"nan", "NaN", "NAN", "NA", "N/A", "n/a", "<NA>", "NaT", "None", "NULL"}


def says_nothing(text: str) -> bool:
    """Whether a label in a table or list is none: empty, or what programs write in place of one."""
    return not text.strip() or text.strip() in _NOTHING
