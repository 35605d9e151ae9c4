"""Numbers over how badly a data set is corrupted: what a method loses, and whether it loses less than Direct."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import pandas as pd

from hpmkd.analysis.experiments.contrast import is_shown, records, tested
from hpmkd.analysis.experiments.severities import ARMS, DIRECT, Axis, Line
from hpmkd.audit.chance import near_chance
from hpmkd.config.conditions import CLEAN_TEACHER

SAME, CLEAN = ARMS[""], ARMS[CLEAN_TEACHER]
TEACHER = "teacher"
_ABOUT = ["place", "kind", "arm", "level", "baseline"]


def levels_table(lines: Sequence[Line], order: Sequence[str], axis: Axis, columns: Sequence[str]) -> pd.DataFrame:
    """A row per line, number and baseline: means over runs of accuracy and of further columns, accuracy in percent of
    the teacher's, and the points `lost` against the same method's students of the same runs without corruption, with
    `low` and `high`.

    The interval of what is lost is Student's t; nothing is tested here, so nothing is corrected.
    """
    rows = []
    for line in lines:
        for level in line.levels:
            taught = {"runs": line.teachers_of(level), "accuracy_pct": line.teachers.get(level)}
            rows.append(_row(line, level, TEACHER) | taught)
            for name in line.baselines(order):
                accuracy = line.of(level, name)
                if not len(accuracy):
                    continue
                lost = records(tested({name: line.of(axis.none, name) - accuracy}))[0] if level != axis.none else {}
                retention = line.retention_pct(level, accuracy)
                row = _row(line, level, name) | {"runs": len(accuracy), "accuracy_pct": accuracy.mean()}
                row |= {"retention_pct": retention, "lost": lost.get("difference")}
                row |= {end: lost.get(end) for end in ("low", "high")}
                rows.append(row | {column: line.of(level, name, column).mean() for column in columns})
    numbers = ["accuracy_pct", "retention_pct", "lost", "low", "high", *columns]
    frame = pd.DataFrame(rows, columns=[*_ABOUT, "runs", *numbers])
    frame = frame.astype(dict.fromkeys(numbers, "float64"))
    return frame[frame["accuracy_pct"].notna()].reset_index(drop=True)


def _row(line: Line, level: float, baseline: str) -> dict[str, Any]:
    return {"place": line.place, "kind": line.kind, "arm": line.arm, "level": level, "baseline": baseline}


def robustness(
    lines: Sequence[Line], order: Sequence[str], axis: Axis, classes: Mapping[str, int] = MappingProxyType({})
) -> pd.DataFrame:
    """A row per line, number and baseline but Direct: what it loses minus what Direct loses, run by run; Holm over the
    baselines and numbers of a line.

    Below 0: it loses less. `near_chance`: which of the two are, by their means at that number, as far as `classes`, by
    data set, tells; such a one cannot lose much more.
    """
    parts = []
    for line in lines:
        values: dict[tuple[float, str], pd.Series] = {}
        for level in (one for one in line.levels if one != axis.none):
            lost = {name: line.of(axis.none, name) - line.of(level, name) for name in line.baselines(order)}
            if DIRECT in lost:
                others = {(level, name): one - lost[DIRECT] for name, one in lost.items() if name != DIRECT}
                values |= {key: one for key, one in others.items() if one.notna().any()}
        made = _tested(line, values)
        pairs = [(float(row["level"]), str(row["baseline"])) for row in records(made)]
        parts.append(made.assign(near_chance=[_floor(line, *pair, classes.get(line.dataset)) for pair in pairs]))
    return pd.concat(parts, ignore_index=True) if parts else _tested(None, {}).assign(near_chance="")


def _floor(line: Line, level: float, baseline: str, classes: int | None) -> str:
    """Which of a baseline and Direct have learnt next to nothing: `AT, Direct`; empty for none."""
    if not classes:
        return ""
    return ", ".join(one for one in (baseline, DIRECT) if near_chance(float(line.of(level, one).mean()), classes))


def cannot_lose(row: Mapping[str, Any]) -> bool:
    """Whether a shown difference may be that the one which loses less had nothing left to lose."""
    who = row["baseline"] if row["difference"] < 0 else DIRECT
    return who in str(row["near_chance"]).split(", ")


def arms(lines: Sequence[Line], order: Sequence[str], axis: Axis) -> pd.DataFrame:
    """A row per special arm, number and baseline: its accuracy minus that of the usual arm, run by run; Holm over the
    baselines and numbers of an arm. Direct has no teacher, so a clean one is no arm of its own."""
    usual = {(one.place, one.kind): one for one in lines if one.arm == SAME}
    parts = []
    for line in (one for one in lines if one.arm != SAME):
        other = usual.get((line.place, line.kind))
        if other is None:
            continue
        values = {}
        # Without it, another arm is one of what else there is in the condition.
        for level in (one for one in line.levels if one in other.parts and one != axis.none):
            for name in line.baselines(order):
                difference = line.of(level, name) - other.of(level, name)
                if difference.notna().any() and not _is_one(line, other, level, name):
                    values[level, name] = difference
        parts.append(_tested(line, values))
    return pd.concat(parts, ignore_index=True) if parts else _tested(None, {})


def _is_one(line: Line, other: Line, level: float, name: str) -> bool:
    """Whether the students are those of an arm that is compared already: both have the very same files, or those of
    Direct stand beside clean teachers, to which they are nothing."""
    if name == DIRECT and ARMS[CLEAN_TEACHER] in line.arm:
        return True
    files = [set(part.loc[part["baseline"] == name, "file"]) for part in (line.parts[level], other.parts[level])]
    return files[0] == files[1]


def _tested(line: Line | None, values: Mapping[tuple[float, str], pd.Series]) -> pd.DataFrame:
    made = []
    if line is not None and values:
        found = records(tested({f"{place}": series for place, series in enumerate(values.values())}))
        for (level, name), row in zip(values, found, strict=True):
            made.append({**_row(line, level, name), **{key: row[key] for key in _TESTS}, "finding": finding(row)})
    frame = pd.DataFrame(made, columns=[*_ABOUT, *_TESTS, "finding"])
    return frame.astype(dict.fromkeys(_TESTS[1:], "float64"))


_TESTS = ("n", "difference", "low", "high", "p", "p_holm")


def finding(row: Mapping[str, Any]) -> str:
    """`less`, `more`, or why neither is said."""
    if is_shown(row):
        return "less" if row["difference"] < 0 else "more"
    if row["p_holm"] == row["p_holm"]:
        return "not shown"
    return "the same in each run: no test" if row["n"] > 1 else "one run: no test"
