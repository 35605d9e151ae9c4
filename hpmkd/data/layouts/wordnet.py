"""Classes that are called by numbers of WordNet, as in ImageNet and its parts: their order, and what the numbers mean.

`wnids.txt` has the order of the classes, a number in each line; `words.txt` (Tiny-ImageNet), `Labels.json`
(ImageNet-100 on Kaggle) and `LOC_synset_mapping.txt` (ImageNet on Kaggle) have the words for a number.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence

from hpmkd.data.source.listing import named
from hpmkd.data.source.tree import File, Folder
from hpmkd.errors import EnvironmentProblem

ORDER = "wnids.txt"
_NUMBER = re.compile(r"^n\d{8}$")
_LINE = re.compile(r"^(n\d{8})\s+(.+)$")
_WORDS = ("words.txt", "LOC_synset_mapping.txt", "Labels.json")


def are_numbers(classes: Iterable[str]) -> bool:
    """Whether all classes, of which there are some, are called so."""
    every = list(classes)
    return bool(every) and all(map(_NUMBER.match, every))


def in_order(base: Folder, classes: Iterable[str]) -> tuple[list[str], list[str]]:
    """The classes in the order of `wnids.txt`, and what should be said of it; without it in that of their names.

    Raises:
        EnvironmentProblem: it cannot be read, or has other classes than there are folders.
    """
    there = sorted(classes)
    if ORDER not in base.files:
        return there, [f"{ORDER} is not there: classes are in the order of their names"]
    lines = [line.strip() for line in _text(base.files[ORDER]).splitlines() if line.strip()]
    problems = [
        *(f"{name}: twice in {ORDER}" for name, many in Counter(lines).items() if many > 1),
        *(f"{name}: a folder of images, but not in {ORDER}" for name in there if name not in lines),
        *(f"{name}: in {ORDER}, but without a folder of training images" for name in lines if name not in there),
    ]
    if problems:
        raise EnvironmentProblem(
            f"{base.files[ORDER].place}: other classes than those of the training images",
            expected="each class folder once, and no others",
            found=named(problems),
            todo="unpack the data set again, or delete the lines or folders of classes that are not wanted",
        )
    return lines, []


def words_of(base: Folder, classes: Sequence[str]) -> list[str] | None:
    """What the classes are called, each by another name; None: not all are known.

    Of several words for the same, the first. Where two classes share it, such as the birds and the machines called
    `crane`, their numbers follow.
    """
    known: dict[str, str] = {}
    for name in _WORDS:
        if name in base.files:
            known |= _json(base.files[name]) if name.endswith(".json") else _lines(base.files[name])
    if not classes or not set(classes) <= known.keys():
        return None
    first = [known[one].split(",")[0].strip() for one in classes]
    shared = Counter(first)
    return [word if shared[word] == 1 else f"{word} ({one})" for word, one in zip(first, classes, strict=True)]


def _lines(file: File) -> dict[str, str]:
    matches = map(_LINE.match, _text(file).splitlines())
    return {match[1]: match[2] for match in matches if match}


def _json(file: File) -> dict[str, str]:
    try:
        found = json.loads(_text(file))
    except ValueError:
        return {}
    return {one: words for one, words in found.items() if isinstance(words, str)} if isinstance(found, dict) else {}


def _text(file: File) -> str:
    try:
        return file.read().decode("utf-8", "replace")
    except OSError as error:
        raise EnvironmentProblem(
            f"{file.place}: cannot be read", found=error.strerror or str(error), todo="correct its permissions"
        ) from error
