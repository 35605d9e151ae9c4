"""Claims about the components of HPM-KD."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from hpmkd.analysis.experiments.contrast import evidence, listed, records
from hpmkd.analysis.report.content import Report
from hpmkd.analysis.section import Table
from hpmkd.analysis.stats.tost import LEVEL, MARGIN
from hpmkd.programme.claims.base import Evidence, Verdict

_COMPONENTS = ("chain", "multi_teacher", "meta_temperature", "adaptive")


def each_pays(report: Report) -> Iterator[Evidence]:
    """Whether leaving out any one of the four costs accuracy."""
    for place, rows in _places(report.table("ablation")):
        parts = [row for row in rows if row["component"] in _COMPONENTS and row["n"] > 1]
        if parts:
            yield _judged(place, parts, good="pays", bad="harms", title="title")


def work_together(report: Report) -> Iterator[Evidence]:
    """Whether pairs of components buy more together than one by one."""
    for place, rows in _places(report.table("interactions")):
        parts = [row for row in rows if row["n"] > 1]
        if parts:
            yield _judged(place, parts, good="synergy", bad="they hinder each other", title="name")


def saturates(report: Report) -> Iterator[Evidence]:
    """Whether assistants pay up to the third, and those after it change less than the margin."""
    for place, rows in _places(report.table("chain-steps")):
        for name in dict.fromkeys(str(row["name"]) for row in rows):
            steps = [row for row in rows if row["name"] == name and row["question"] == "next" and row["n"] > 1]
            early = [row for row in steps if row["longer"] <= 3]
            late = [row for row in steps if row["shorter"] >= 3]
            if early and late:
                yield _saturation(place, name, early, late)


def _saturation(place: str, name: str, early: Sequence[dict[str, Any]], late: Sequence[dict[str, Any]]) -> Evidence:
    pay = [row for row in early if row["p_holm"] < LEVEL and row["difference"] > 0]
    harm = [row for row in early if row["p_holm"] < LEVEL and row["difference"] < 0]
    same = [row for row in late if row["p_equal"] < LEVEL]
    whole = len(pay) == len(early) and len(same) == len(late)
    verdict = Verdict.AGREES if whole else Verdict.IN_PART if pay else Verdict.OPPOSITE if harm else Verdict.UNDECIDED
    largest = max(early, key=lambda row: abs(row["difference"]))
    text = (
        f"{name}: of the steps up to 3 assistants {len(pay)} of {len(early)} are shown to pay and {len(harm)} to harm "
        f"(largest {largest['pair']}: {evidence(largest)}); of those beyond, {len(same)} of {len(late)} are "
        f"equivalent within {MARGIN:g} points (TOST)"
    )
    return Evidence(place, verdict, text)


def _places(table: Table | None) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    if table is not None:
        for place, part in table.frame.groupby("place", sort=False):
            yield str(place), records(part)


def _judged(place: str, rows: Sequence[dict[str, Any]], good: str, bad: str, title: str) -> Evidence:
    """All of them as claimed, some of them, or some the other way."""
    right = [row for row in rows if row["finding"] == good]
    wrong = [row for row in rows if row["finding"] == bad]
    verdict = Verdict.UNDECIDED
    if right:
        verdict = Verdict.AGREES if len(right) == len(rows) else Verdict.IN_PART
    elif wrong:
        verdict = Verdict.OPPOSITE
    words = {good: right, bad: wrong, "not shown": [row for row in rows if row not in right and row not in wrong]}
    said = [f"{word}: {listed([_one(row, title) for row in found])}" for word, found in words.items() if found]
    return Evidence(place, verdict, "; ".join(said))


def _one(row: dict[str, Any], title: str) -> str:
    return f"{row[title]} ({evidence(row)})"
