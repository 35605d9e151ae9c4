"""Training and held-out part: by which names they are known, and which of several is taken."""

from __future__ import annotations

import re
from collections.abc import Iterable

from hpmkd.errors import EnvironmentProblem

_NAMES = {
    "train": ("train", "training"),
    "test": ("test", "testing"),
    "val": ("val", "valid", "validation", "dev"),
}
PART_OF = {name: part for part, names in _NAMES.items() for name in names}
# In a regular expression: the longest first, so that `training` is not `train` with a rest.
ANY_PART = "|".join(sorted(PART_OF, key=len, reverse=True))
# Why a validation part is set aside where there is a test part too; its name follows.
SPARE = "not used beside the test part: "
WHY_SPARE = "images for validation are taken from the training part (data.validation_fraction)"
# Parts in several folders, as ImageNet-100 lies on Kaggle: train.X1 to train.X4, val.X.
_PIECE = re.compile(rf"^({ANY_PART})\.X(\d*)$", re.IGNORECASE)
_IN_A_NAME = re.compile(rf"^(?:.+-)?({ANY_PART})(?=[-._ 0-9]|$)", re.IGNORECASE)


def part_of(name: str) -> str | None:
    """`train`, `test` or `val` for the name of a folder or split in any case; None for others."""
    return PART_OF.get(name.lower())


def piece_of(name: str) -> tuple[str, int] | None:
    """Part and number of a folder that holds a piece of a part: (`train`, 3) for `train.X3`, (`val`, 0) for `val.X`;
    None for all other names."""
    found = _PIECE.match(name)
    return (found[1], int(found[2] or 0)) if found else None


def spare_part(path: str) -> str:
    """The folder or table by whose name a file that is not used belongs to a validation part; empty for others."""
    pieces = path.split("/")
    for place, piece in enumerate(pieces):
        match = _IN_A_NAME.match(piece)
        if match and part_of(match[1]) == "val":
            return "/".join(pieces[: place + 1]) + ("/" if place + 1 < len(pieces) else "")
    return ""


def choose(place: str, names: Iterable[str]) -> tuple[str, str, list[str]]:
    """The names of the training and the held-out part among those that are there, and what should be said of it.

    Raises:
        EnvironmentProblem: no held-out part, or a part under two names.
    """
    found: dict[str, list[str]] = {}
    for name in names:
        found.setdefault(part_of(name) or name, []).append(name)
    wanted = ["train", "test" if "test" in found else "val"]
    twice = [name for part in wanted for name in found.get(part, []) if len(found[part]) > 1]
    if twice:
        todo = "keep one of them, and delete, move or rename the others"
        if wanted[1] == "val" and len(found.get("val", [])) > 1:
            todo = "have one held-out part: keep one of them, or call the one to be held out test"
        raise EnvironmentProblem(
            f"{place}: the same part under two names",
            expected="one training part and one test part",
            found=", ".join(twice),
            todo=todo,
        )
    if wanted[1] not in found:
        raise EnvironmentProblem(
            f"{place}: no held-out images",
            expected="a part called test, or else val, valid or validation, beside train",
            found=", ".join(name for names in found.values() for name in names),
            todo="move some of the training images into a part called test",
        )
    notes = [] if wanted[1] == "test" else [f"there is no test part: {found['val'][0]} is the held-out one"]
    return found["train"][0], found[wanted[1]][0], notes
