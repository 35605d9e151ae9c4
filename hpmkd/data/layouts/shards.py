"""Files that make up one table: in order, all there, and of one upload."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from hpmkd.data.source.listing import count, listed, named, some_of
from hpmkd.data.source.tree import File
from hpmkd.errors import EnvironmentProblem

_SHARD = re.compile(r"^(?P<start>.*-)(?P<number>\d+)-of-(?P<total>\d+)(?P<end>(?:-[^.]*)?\.\w+)$")
_WHOLE = re.compile(r"^[a-z]+\.\w+$", re.IGNORECASE)
_NUMBER = re.compile(r"^(?P<number>\d+)(?P<end>\.\w+)$")
# Spark's `part-00000-HASH.c000.snappy.parquet` and the like, whose number of files is not known.
_LOOSE = re.compile(r"^(?P<start>\D+)(?P<number>\d+)(?![0-9a-zA-Z])")


class _Set(NamedTuple):
    """An upload: folder, what stands before and after the number of a shard, how many there are (0: not known)."""

    folder: str
    start: str
    end: str
    total: int


def ordered(files: Sequence[File], place: str) -> list[File]:
    """The shards of one part by their number; other files by their name.

    Raises:
        EnvironmentProblem: some are missing or too many (they are named), or there are sets of two uploads (both are
            named).
    """
    sets: dict[_Set, dict[int, File]] = {}
    others: list[File] = []
    for file in sorted(files, key=lambda one: one.path):
        folder = file.path.rpartition("/")[0]
        if match := _SHARD.match(file.name):
            key = _Set(folder, match["start"], match["end"], int(match["total"]))
        elif match := _NUMBER.match(file.name):
            key = _Set(folder, "", match["end"], 0)
        else:
            others.append(file)
            continue
        sets.setdefault(key, {})[int(match["number"])] = file
    _one_upload([*(list(one.values()) for one in sets.values()), *_uploads(others)], place)
    if not sets:
        return others
    ((key, found),) = sets.items()
    _none_beyond(key, found, place)
    wanted = range(key.total or max(found) + 1)
    missing = [_name(key, number, found.values()) for number in wanted if number not in found]
    if missing:
        raise EnvironmentProblem(
            f"{place}: {some_of(len(missing), len(wanted), 'shard')} missing",
            expected=_expected([_name(key, number, found.values()) for number in wanted]),
            found="missing: " + named(missing),
            todo="fetch them, and start again",
        )
    return [found[number] for number in sorted(found)]


def gaps(files: Sequence[File]) -> list[str]:
    """A sentence for each row of numbered files with a gap in it, of those that do not say how many there are.

    Spark leaves gaps where a task wrote nothing, so they are no error; a file that was not copied looks the same.
    """
    rows: dict[tuple[str, str], set[int]] = {}
    for file in files:
        match = None if _SHARD.match(file.name) else _LOOSE.match(file.name)
        if match:
            rows.setdefault((file.path.rpartition("/")[0], match["start"]), set()).add(int(match["number"]))
    notes = []
    for (folder, start), found in rows.items():
        first, last = 0 if start == "part-" else min(found), max(found)
        missing = last - first + 1 - len(found)
        if missing:
            example = next(number for number in range(first, last) if number not in found)
            verb = "is" if missing == 1 else "are"
            notes.append(
                f"{folder or 'tables'}: {missing:,} of the numbers {first} to {last} of {start}N {verb} not there, "
                f"such as {example}; nothing says whether these files are missing"
            )
    return notes


def _none_beyond(key: _Set, found: Mapping[int, File], place: str) -> None:
    """Every shard says how many there are; one beyond them is of another upload."""
    beyond = [found[number].path for number in sorted(found) if key.total and number >= key.total]
    if beyond:
        raise EnvironmentProblem(
            f"{place}: {count(len(beyond), 'shard')} beyond the last one that {key.start}N-of-{key.total} has",
            expected=f"{key.start}0 to {key.total - 1}",
            found=named(beyond),
            todo="delete what is left of another upload, or fetch the data set again",
        )


def _uploads(files: Sequence[File]) -> list[list[File]]:
    """`train.parquet` by itself is the whole; what else there is in its folder is another."""
    whole = [file for file in files if _WHOLE.match(file.name)]
    rest = [file for file in files if file not in whole]
    return [[file] for file in whole] + ([rest] if rest else [])


def _one_upload(sets: Sequence[Sequence[File]], place: str) -> None:
    if len(sets) > 1:
        raise EnvironmentProblem(
            f"{place}: the same part in {len(sets)} sets of files, as of two uploads",
            expected="one set of files per part",
            found=listed(f"{named(file.path for file in files)}" for files in sets),
            todo="delete the older set",
        )


def _expected(names: Sequence[str]) -> str:
    """The first and the last name."""
    return named(names) if len(names) < 3 else f"{names[0]} to {names[-1]}"


def _name(key: _Set, number: int, others: Iterable[File]) -> str:
    """The name of a missing shard, with as many digits as those of the others."""
    matches = [_SHARD.match(file.name) or _NUMBER.match(file.name) for file in others]
    digits = max(len(match["number"]) for match in matches if match)
    total = f"-of-{key.total:0{digits}d}" if key.total else ""
    return f"{key.start}{number:0{digits}d}{total}{key.end}"
