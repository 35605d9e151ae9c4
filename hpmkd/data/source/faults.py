"""Images that cannot be used: all of them in one error, each with its reason, and the advice that fits it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from hpmkd.data.source.listing import count, listed
from hpmkd.data.source.tree import File, leads_nowhere
from hpmkd.errors import EnvironmentProblem


class Remedy(NamedTuple):
    """What images should be, and what to do about those that are not."""

    expected: str
    todo: str


_IMAGES = "images that Pillow can decode (JPEG, PNG, ...), each with its label"
REPLACE = Remedy(_IMAGES, "replace these files, or delete them")
WRITE_AGAIN = Remedy(_IMAGES, "write the table again, with intact images in these rows or without the rows")
CORRECT_ROWS = Remedy("the files that the rows name", "put the files there, or correct or delete the rows")
CORRECT_LINKS = Remedy("links that lead to images", "correct these links, or delete them")
SCALE = Remedy(
    "values from 0 to 255 (whole numbers), 16 bits without sign, or from 0 to 1 (floats)",
    "scale the values to 0..1 or to 0..255, and save the images again",
)


@dataclass(frozen=True)
class Fault:
    """An image that cannot be used.

    Args:
        where: the file.
        why: what is wrong with it.
        remedy: what to do about it.
        row: where it lies in the file, if that has rows.
    """

    where: str
    why: str
    remedy: Remedy = REPLACE
    row: int | None = None


def unopened(file: File, error: Exception) -> Fault:
    """A file that cannot be read from the disk, or from its archive."""
    why = getattr(error, "strerror", None) or str(error)
    if isinstance(error, FileNotFoundError) and (link := leads_nowhere(file)):
        return Fault(file.place, link, CORRECT_LINKS)
    if file.named_in and not file.name.strip():
        return Fault(file.named_in, "names no file", CORRECT_ROWS)
    if file.named_in:
        rest = ", which is not there" if isinstance(error, FileNotFoundError) else f": {why}"
        return Fault(file.named_in, f"names {file.place}{rest}", CORRECT_ROWS)
    return Fault(file.place, why)


def unreadable_images(
    source: str, total: int, faults: Sequence[Fault], besides: EnvironmentProblem | None = None
) -> EnvironmentProblem:
    """The error that names every image which cannot be used, and what else is wrong with the data set.

    Args:
        source: the data set.
        total: how many images it has.
        faults: at least one.
        besides: another error.
    """
    remedies = list(dict.fromkeys(fault.remedy for fault in faults))
    more = f"\n  besides: {besides.where}: {besides.found}" if besides else ""
    return EnvironmentProblem(
        f"{source}: {len(faults):,} of {total:,} images cannot be read",
        expected="; ".join(dict.fromkeys(remedy.expected for remedy in remedies)),
        found=listed(_lines(faults)) + more,
        todo="; ".join([*(remedy.todo for remedy in remedies), *([str(besides.todo)] if besides else [])]),
    )


def _lines(faults: Sequence[Fault]) -> list[str]:
    """One for each fault; rows of one file with the same fault share one."""
    alike: dict[object, list[Fault]] = {}
    for place, fault in enumerate(faults):
        same = fault.remedy if fault.remedy is SCALE else fault.why
        alike.setdefault(place if fault.row is None else (fault.where, same), []).append(fault)
    return [_line(same) for same in alike.values()]


def _line(same: Sequence[Fault]) -> str:
    first = same[0]
    row = "" if first.row is None else f", row {first.row}"
    rows = f": {count(len(same), 'image')}, such as row {first.row}" if len(same) > 1 else row
    return f"{first.where}{rows}: {first.why}"


def together(problems: Sequence[EnvironmentProblem]) -> EnvironmentProblem:
    """One error of several, so that who mends the first need not come back for the next."""
    first, *others = problems
    if not others:
        return first
    return EnvironmentProblem(
        first.where,
        expected="; ".join(dict.fromkeys(one.expected for one in problems if one.expected)),
        found=str(first.found) + "".join(f"\n  besides: {one.where}: {one.found}" for one in others),
        todo="; ".join(str(one.todo) for one in problems),
    )
