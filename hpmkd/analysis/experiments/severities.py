"""Data sets that are corrupted more and more: which models of a sweep belong together, and their numbers by run."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from hpmkd.audit.places import groups as places_of
from hpmkd.audit.places import narrowed, retention_pct, students, teacher_pct, teachers_by_run
from hpmkd.config.conditions import (
    CLEAN_TEACHER,
    CLEAN_VALIDATION,
    IMBALANCE,
    NOISE,
    as_taught,
    has_any,
    read_word,
    without,
    word_among,
)
from hpmkd.plan.job import place_name

EVEN = "even"
ARMS = {"": "same", CLEAN_TEACHER: "clean teacher", CLEAN_VALIDATION: "clean validation", EVEN: "same size, balanced"}
DIRECT = "Direct"


@dataclass(frozen=True)
class Axis:
    """What is made worse.

    Args:
        words: of conditions, behind which the number stands.
        none: the number without such a word.
        title: of the number.
    """

    words: tuple[str, ...]
    none: float
    title: str


FACTOR, RATE = Axis(IMBALANCE, 1.0, "factor"), Axis(NOISE, 0.0, "rate")


@dataclass(frozen=True)
class Line:
    """One data set, pair of networks and kind of corruption, from none to the worst.

    Args:
        place: data set, other conditions and pair, as in files.
        kind: the word of the condition: `exp`, `sym`.
        arm: of `ARMS`' values, several joined by commas.
        parts: number -> the students of that condition; of the arm of clean teachers with those of Direct, who has
            none.
        teachers: number -> test accuracy of the teacher, percent; where each run has its own, their mean.
        own: number -> run -> that of the run's own teacher; empty where all have one.
    """

    place: str
    kind: str
    arm: str
    parts: dict[float, pd.DataFrame]
    teachers: dict[float, float]
    own: dict[float, pd.Series]

    def retention_pct(self, level: float, accuracy: pd.Series) -> float:
        """Of students, by run, in percent of their teachers."""
        return retention_pct(accuracy, self.teachers.get(level, math.nan), self.own.get(level, pd.Series(dtype=float)))

    def teachers_of(self, level: float) -> int:
        """How many there are."""
        return len(self.own.get(level, ())) or 1

    @property
    def levels(self) -> list[float]:
        """The numbers, from none on."""
        return sorted(self.parts)

    @property
    def dataset(self) -> str:
        """Its data set, by name."""
        return str(next(iter(self.parts.values()))["dataset"].iloc[0])

    def of(self, level: float, baseline: str, column: str = "accuracy_pct") -> pd.Series:
        """A column of a baseline's students by run; of a run that lies there under two names, the mean."""
        part = self.parts.get(level)
        if part is None or column not in part:
            return pd.Series(dtype="float64")
        mine = part[part["baseline"] == baseline]
        return mine.groupby("run")[column].mean().astype("float64")

    def baselines(self, order: Sequence[str]) -> list[str]:
        """Those that are trained somewhere on the line, in their order."""
        found = dict.fromkeys(str(name) for part in self.parts.values() for name in part["baseline"])
        rank = {name: place for place, name in enumerate(order)}
        return sorted(found, key=lambda name: rank.get(name, len(rank)))


def lines_of(frame: pd.DataFrame, axis: Axis) -> list[Line]:
    """Every line that has a model under such a condition, those without a special arm first.

    Args:
        frame: of `results.collect`.
        axis: what is made worse.
    """
    known = students(frame)
    known = known[known["accuracy_pct"].notna()]
    parts = dict(_by_place(known))
    rows = {
        _key(names): (names["place"], part) for names, part in places_of(narrowed(frame, "role", "run", "accuracy_pct"))
    }
    made: dict[tuple[Any, ...], dict[float, _Key]] = {}
    for dataset, condition, pair in parts:
        word = word_among(condition, axis.words)
        if word is not None:
            kind, number = _kind(word)
            base = base_of(condition, axis)
            about = (dataset, pair, as_taught(without(base, (CLEAN_VALIDATION,))), kind, _arm(condition, word))
            made.setdefault(about, {axis.none: (dataset, base, pair)})[number] = (dataset, condition, pair)
    ordered = sorted(made.items(), key=lambda one: bool(one[0][4]))
    return [_line(about, found, parts, rows) for about, found in ordered if max(found) > axis.none]


_Key = tuple[str, str | None, str | None]


def _by_place(known: pd.DataFrame) -> Iterator[tuple[_Key, pd.DataFrame]]:
    for _, part in known.groupby("place", sort=False):
        yield _key(part.iloc[0]), part


def _key(row: Any) -> _Key:
    condition, pair = (None if row[name] is None or row[name] != row[name] else str(row[name]) for name in _OTHER)
    return str(row["dataset"]), condition, pair


_OTHER = ("condition", "pair")


def _kind(word: str) -> tuple[str, float]:
    """`exp`, 100 of `evenexp100`."""
    kind, number = read_word(word) or ("", None)
    return kind.removeprefix(EVEN), float(number or "nan")


def _arm(condition: str | None, word: str) -> str:
    said = [one for one in (CLEAN_TEACHER, CLEAN_VALIDATION) if has_any(condition, (one,))]
    said += [EVEN] * word.startswith(EVEN)
    return ", ".join(ARMS[one] for one in said)


def base_of(condition: str | None, axis: Axis) -> str | None:
    """The condition without what is made worse, and without what then changes nothing."""
    base = without(condition, axis.words)
    base = base if has_any(base, NOISE) else without(base, (CLEAN_VALIDATION,))
    return base if has_any(base, (*IMBALANCE, *NOISE)) else without(base, (CLEAN_TEACHER,))


def _line(
    about: tuple[Any, ...],
    found: dict[float, _Key],
    parts: dict[_Key, pd.DataFrame],
    rows: dict[_Key, tuple[str, pd.DataFrame]],
) -> Line:
    dataset, pair, rest, kind, arm = about
    made = {level: _with_direct(key, parts) for level, key in found.items()}
    there = {level: part for level, part in made.items() if len(part)}
    mine = {level: rows[key] for level in there if (key := found[level]) in rows}
    known = {level: teacher_pct(part, place) for level, (place, part) in mine.items()}
    own = {level: teachers_by_run(part, place) for level, (place, part) in mine.items()}
    return Line(place_name(dataset, rest, pair), kind, arm or ARMS[""], parts=there, teachers=known, own=own)


def _with_direct(key: _Key, parts: dict[_Key, pd.DataFrame]) -> pd.DataFrame:
    """The students of a place; where teachers are clean, with those of Direct on the same images."""
    dataset, condition, pair = key
    own = parts.get(key)
    taught = parts.get((dataset, as_taught(condition), pair)) if has_any(condition, (CLEAN_TEACHER,)) else None
    found = [one for one in (own, None if taught is None else taught[taught["baseline"] == DIRECT]) if one is not None]
    return pd.concat(found) if found else pd.DataFrame(columns=["baseline", "run", "accuracy_pct"])
