"""What a claim is, and what is found of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum

from hpmkd.analysis.report.content import Report
from hpmkd.analysis.report.setup import networks
from hpmkd.audit.places import condition_of, groups
from hpmkd.config.conditions import SUBSET, read_word, word_among
from hpmkd.numeric import whole


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


_IMAGES = "training images"
_WORDS = {
    "teacher network": "teacher {}",
    "student network": "student {}",
    _IMAGES: "{} training images",
    "training of students": "students: {}",
    "runs per baseline": "{} runs",
}


def _images(fact: str, condition: str | None) -> str:
    """How many a place has: its condition says so, or the sweep does."""
    word = word_among(condition, SUBSET)
    number = (read_word(word) or ("", None))[1] if word else None
    return whole(float(number)) if number else fact.partition(";")[0]


def answers(claim: Claim, reports: dict[str, Report]) -> list[Answer]:
    """Of each sweep that has something to say, in the programme's order."""
    return [
        Answer(mode, evidence, conditions_of(report, evidence.place))
        for mode, report in reports.items()
        for evidence in claim.look(report)
    ]


def conditions_of(report: Report, place: str) -> str:
    """Networks, images, recipe and runs of one place of a sweep, in one line.

    Of a claim that is not about one (latencies), the networks are left out where there are several: the claim's own
    words name them.
    """
    facts = dict(report.facts)
    facts[_IMAGES] = _images(facts.get(_IMAGES, ""), condition_of(place))
    if "architecture" in report.frame:
        own = [part for names, part in groups(report.frame) if names["place"] == place]
        found = networks(own[0] if own else report.frame)
        facts |= {f"{role} network": "; ".join(one) if own or len(one) < 2 else "" for role, one in found.items()}
    return "; ".join(words.format(facts[name]) for name, words in _WORDS.items() if facts.get(name))
