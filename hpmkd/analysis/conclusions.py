"""Turns the statistics into sentences that claim no more than the numbers show."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from hpmkd.analysis import stats
from hpmkd.analysis.section import Section
from hpmkd.audit.places import AXES
from hpmkd.numeric import fixed, is_defined, p_phrase

LEVEL = stats.LEVEL
# What one line and a short list can hold.
MAX_GROUPS, MAX_NAMES, MAX_FINDINGS = 4, 6, 12
_SHOWN = ("better", "worse")
_NOUNS = {
    "dataset": ("data set", "data sets"),
    "condition": ("condition", "conditions"),
    "pair": ("pair of networks", "pairs of networks"),
}
_ALL_SAME = "Nothing can be compared: the baselines have the same weights in every run."


def verdict(row: Mapping[str, Any]) -> str:
    """One row of `stats.comparisons` -> `better`, `worse`, `open` (no difference is shown), `untested`, or `same`: the
    same models in every run, of which there is nothing to test."""
    if 0 < row["n"] == row.get("same_weights", 0):
        return "same"
    if not is_defined(row["p_holm"]):
        return "untested"
    if row["p_holm"] >= LEVEL:
        return "open"
    return "better" if row["difference"] > 0 else "worse"


def sentence(row: Mapping[str, Any]) -> str:
    """A difference that is shown, with its numbers: one row of `stats.comparisons`."""
    change = f"{fixed(row['difference'], 2, sign=True)} points"
    interval = f"{fixed(row['low'], 2, sign=True)} to {fixed(row['high'], 2, sign=True)}"
    evidence = f"95 % interval {interval}, {int(row['n'])} pairs, {p_phrase(row['p_holm'], stats.CORRECTED)}"
    return f"{row['baseline']} is {verdict(row)} than {row['reference']}: {change} ({evidence})."


@dataclass(frozen=True)
class Conclusions:
    """What the comparisons of a sweep show, for people in a hurry.

    Args:
        headline: one sentence: what was found, and on how much evidence; else that nothing was.
        findings: a sentence with its numbers for each difference that is shown, better before worse.
        not_shown: the other rows of `stats.comparisons`, with a column `why`; of models that are the same in every run
            the findings tell.
    """

    headline: str
    findings: tuple[str, ...]
    not_shown: pd.DataFrame


def conclude(comparisons: pd.DataFrame) -> Conclusions:
    """Of the rows of `stats.comparisons`."""
    rows = [{str(name): value for name, value in row.items()} for row in comparisons.to_dict("records")]
    # A pair of references would be said twice, once in each direction.
    rows = [row for row in rows if (row["reference"], row["baseline"]) != ("HPM-KD", "Direct")]
    same, rows = [row for row in rows if verdict(row) == "same"], [row for row in rows if verdict(row) != "same"]
    shown = sorted((row for row in rows if verdict(row) in _SHOWN), key=verdict)  # better before worse
    rest = [{**row, "why": why_not(row)} for row in rows if verdict(row) not in _SHOWN]
    left = pd.DataFrame(rest, columns=[*comparisons.columns, "why"])
    headline = _found(rows, shown) if shown else _nothing_found(rows) if rows or not same else _ALL_SAME
    return Conclusions(headline, (*_findings(rows, shown), *_same(same, {row["place"] for row in rows + same})), left)


def _same(same: list[dict[str, Any]], places: Collection[str]) -> list[str]:
    """Of comparisons of models with themselves; they count nowhere else."""
    groups: dict[tuple[str, str, int], list[str]] = {}
    for row in same:
        place = f"{row['place']}: " if len(places) > 1 else ""
        groups.setdefault((place, str(row["reference"]), int(row["n"])), []).append(str(row["baseline"]))
    return [
        f"{place}{_and(names)} {'has' if len(names) == 1 else 'have'} the same weights as {reference} in {n} of {n} "
        f"run{'s' * (n > 1)}; that is no comparison."
        for (place, reference, n), names in groups.items()
    ]


def elsewhere(sections: Iterable[Section]) -> str:
    """What stands beside the headline where sections, whose families of comparisons are their own, show something."""
    titles = [
        f"“{one.title}”"
        for one in sections
        if any((part.frame["p_holm"] < LEVEL).any() for part in (*one.tables, *one.folded) if "p_holm" in part.frame)
    ]
    if not titles:
        return ""
    of = "This is corrected over all baselines that a reference is compared with; the"
    if len(titles) == 1:
        return f" {of} section {titles[0]} asks other questions, corrected over its own, and shows differences."
    return f" {of} sections {_and(titles)} ask other questions, each corrected over its own, and show differences."


def _nothing_found(rows: list[dict[str, Any]]) -> str:
    if not rows:
        return "Nothing can be compared yet: that needs students of a reference and of another baseline."
    most = max(int(row["n"]) for row in rows)
    if most == 0:
        return "Nothing can be compared yet: no two baselines have a run in common."
    if most == 1:
        return "One run per baseline shows nothing: every difference between them may be chance."
    return f"No difference is shown in {_comparisons(len(rows))} ({_pairs(rows)})."


def _found(rows: list[dict[str, Any]], shown: list[dict[str, Any]]) -> str:
    evidence = f"{len(shown)} of {_comparisons(len(rows))}, {_pairs(shown)}, p < {LEVEL:g} after Holm's correction"
    several = len({row["place"] for row in rows}) > 1
    groups: dict[tuple[str, str, str], list[str]] = {}
    for row in shown:
        place = f"{row['place']}: " if several else ""
        groups.setdefault((place, verdict(row), str(row["reference"])), []).append(str(row["baseline"]))
    if len(groups) > MAX_GROUPS or max(map(len, groups.values())) > MAX_NAMES:
        words = [verdict(row) for row in shown]
        counts = ", ".join(f"{words.count(word)} {word}" for word in _SHOWN if word in words)
        return f"Differences to the references are shown: {counts} ({evidence})."
    said = [
        f"{place}{_and(names)} {'is' if len(names) == 1 else 'are'} {word} than {reference}"
        for (place, word, reference), names in groups.items()
    ]
    return f"{'; '.join(said)} ({evidence})."


def _comparisons(count: int) -> str:
    return f"{count} comparison{'s' * (count != 1)}"


def _pairs(rows: list[dict[str, Any]]) -> str:
    counts = sorted({int(row["n"]) for row in rows})
    return f"{' to '.join(dict.fromkeys((str(counts[0]), str(counts[-1]))))} pairs of runs each"


def _and(names: list[str]) -> str:
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))


def _findings(rows: list[dict[str, Any]], shown: list[dict[str, Any]]) -> list[str]:
    """Over all places first, where there are several."""
    several = len({row["place"] for row in rows}) > 1
    told = {(row["reference"], row["baseline"]) for row in shown}
    made = _overall([row for row in rows if (row["reference"], row["baseline"]) in told])
    made += [f"{row['place']}: " * several + sentence(row) for row in shown]
    more = len(made) - MAX_FINDINGS
    rest = [f"{more} more {'is' if more == 1 else 'are'} in the table of paired differences."] if more > 0 else []
    return [*made[:MAX_FINDINGS], *rest]


def why_not(row: Mapping[str, Any]) -> str:
    """Why a row of `stats.comparisons` shows no difference, in a few words."""
    if row["n"] < 2:
        return "one run in common" if row["n"] else "no run in common"
    if verdict(row) == "untested":
        return "the same change in each run: no spread, no test"
    if row["p"] < LEVEL:
        return f"{p_phrase(row['p'])} alone; not after correction"
    return "chance alone could give it"


def _overall(rows: list[dict[str, Any]]) -> list[str]:
    made = []
    for reference in dict.fromkeys(row["reference"] for row in rows):
        for baseline in dict.fromkeys(row["baseline"] for row in rows if row["reference"] == reference):
            mine = [verdict(row) for row in rows if (row["reference"], row["baseline"]) == (reference, baseline)]
            if len(mine) > 1:
                counts = [f"{word} on {mine.count(word)}" for word in _SHOWN if word in mine]
                open_ones = len(mine) - sum(mine.count(word) for word in _SHOWN)
                counts += [f"without a shown difference on {open_ones}"] if open_ones else []
                made.append(f"{baseline} against {reference}, {len(mine)} {places(rows)}: {', '.join(counts)}.")
    return made


def places(rows: Collection[Mapping[Any, Any]]) -> str:
    """What the places of these rows differ in, for people: `data sets`, `conditions`, `pairs of networks`, or
    `combinations of data set and condition`."""
    values: dict[str, set[Any]] = {axis: {row[axis] for row in rows} for axis in AXES}
    differ = [_NOUNS[axis] for axis, found in values.items() if len(found) > 1] or [_NOUNS["dataset"]]
    if len(differ) == 1:
        return differ[0][1]
    return f"combinations of {_and([one for one, _ in differ])}"
