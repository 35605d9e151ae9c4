"""What a claim is, and what is found of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum

from hpmkd.analysis.report.content import Report


class Verdict(StrEnum):
    """What these runs say of a claim. Of accuracies `AGREES` and `OPPOSITE` need a difference that is shown after
    correction, of latencies an interval beside 1; multiply-adds are counted, not tested, and seconds that say the
    opposite leave `IN_PART`."""

    AGREES = "found here, too"
    IN_PART = "found in part"
    UNDECIDED = "not shown"
    OPPOSITE = "the opposite is shown"


@dataclass(frozen=True)
class Evidence:
    """What one data set of one sweep says.

    Args:
        place: data set, condition and pair, as in files.
        verdict: in a word.
        found: in numbers; computed, never constant.
    """

    place: str
    verdict: Verdict
    found: str


# From one sweep's report to what it says; nothing where it has not the models that the claim is about.
Look = Callable[[Report], Iterable[Evidence]]


@dataclass(frozen=True)
class Claim:
    """A claim of the paper.

    Args:
        text: the claim.
        figures: the paper's own numbers for it.
        look: what a sweep says of it.
        mode: which mode would tell.
    """

    text: str
    figures: str
    look: Look
    mode: str


@dataclass(frozen=True)
class Answer:
    """What one sweep of the programme says of a claim, and under which conditions."""

    mode: str
    evidence: Evidence
    conditions: str


_WORDS = {
    "teacher network": "teacher {}",
    "student network": "student {}",
    "training images": "{} training images",
    "training of students": "students: {}",
    "runs per baseline": "{} runs",
}


def answers(claim: Claim, reports: dict[str, Report]) -> list[Answer]:
    """Of each sweep that has something to say, in the programme's order."""
    return [
        Answer(mode, evidence, conditions_of(report))
        for mode, report in reports.items()
        for evidence in claim.look(report)
    ]


def conditions_of(report: Report) -> str:
    """Networks, images, recipe and runs of a sweep, in one line."""
    facts = dict(report.facts)
    return "; ".join(words.format(facts[name]) for name, words in _WORDS.items() if facts.get(name))
