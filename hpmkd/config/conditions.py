"""The words of conditions, which stand behind the `@` of a data set: of what kind each is, and what they leave alone.

What they do to images is in `data/conditions`; here is what the plan and the config need to know. The order of `WORDS`
is that in which they are applied, and that of canonical names.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

SUBSET = ("n",)
IMBALANCE = ("exp", "step", "evenexp", "evenstep")
NOISE = ("sym", "asym", "pair")
CONFUSING = ("asym",)  # of noise, that which needs to know which classes look alike
CLEAN_VALIDATION, CLEAN_TEACHER = "cleanVal", "cleanTeacher"
WORDS = (*SUBSET, *IMBALANCE, *NOISE, CLEAN_VALIDATION, CLEAN_TEACHER)
_WORD = re.compile(r"([A-Za-z]+)(\d{1,12}(?:\.\d{1,12})?)?")


def read_word(part: str) -> tuple[str, str | None] | None:
    """`exp100` as `exp` and `100`, `cleanVal` as itself and None; None where it is no word."""
    found = _WORD.fullmatch(part)
    return (found[1], found[2]) if found else None


def parts_of(condition: str | None) -> list[str]:
    """`["n2500", "sym0.2"]` of `n2500-sym0.2`."""
    return condition.split("-") if condition else []


def has_any(condition: str | None, words: Iterable[str]) -> bool:
    """Whether a condition has one of these words."""
    return any((read_word(part) or ("",))[0] in words for part in parts_of(condition))


def word_among(condition: str | None, words: Iterable[str]) -> str | None:
    """The first word of a condition that is one of these, with its number: `exp100`."""
    return next((part for part in parts_of(condition) if (read_word(part) or ("",))[0] in words), None)


def without(condition: str | None, words: Iterable[str]) -> str | None:
    """A canonical condition without these words; None where nothing is left."""
    kept = [part for part in parts_of(condition) if (read_word(part) or ("",))[0] not in words]
    return "-".join(kept) or None


def sees_clean_teacher(condition: str | None) -> bool:
    """Whether the teachers are those of the data set without what corrupts it."""
    return has_any(condition, (CLEAN_TEACHER,))


def clean_of(condition: str | None) -> str | None:
    """Without what corrupts it: neither imbalance nor noise; how many images are chosen from stays."""
    return without(condition, (*IMBALANCE, *NOISE, CLEAN_VALIDATION, CLEAN_TEACHER))


def as_taught(condition: str | None) -> str | None:
    """The condition of what students train on, whoever teaches them: a student without a teacher has this one."""
    return without(condition, (CLEAN_TEACHER,))


def images_of(condition: str | None) -> str | None:
    """Of which images the logits of clean teachers are, whatever their labels; under `clean_of` where that has the
    same images."""
    images = without(condition, (*NOISE, CLEAN_VALIDATION))
    return clean_of(condition) if as_taught(images) == clean_of(condition) else images
