"""Sentences about constructed cases: what is said, and what must not be."""

from __future__ import annotations

import re

import pandas as pd
import pytest
from support.frames import make_frame

from hpmkd.analysis import stats
from hpmkd.analysis.conclusions import cautions, sentences, verdict
from hpmkd.analysis.costs import costs

BASE = [70.0, 71.0, 69.5, 70.4, 70.8]


def say(**scores: list[float]) -> list[str]:
    return sentences(stats.comparisons(make_frame({name.replace("_", "-"): values for name, values in scores.items()})))


def plus(*changes: float) -> list[float]:
    return [value + change for value, change in zip(BASE, changes, strict=False)]


def test_a_clear_difference_is_said_with_its_numbers() -> None:
    (text,) = say(Direct=BASE, AT=plus(1.0, 1.2, 0.9, 1.1, 1.0))
    assert re.fullmatch(
        r"AT is better than Direct: \+1\.04 points \(95 % interval \+0\.90 to \+1\.18, 5 pairs, p < 0\.001\)\.", text
    )
    (text,) = say(Direct=BASE, AT=plus(-1.0, -1.2, -0.9, -1.1, -1.0))
    assert text.startswith("AT is worse than Direct: -1.04 points")


def test_no_difference_is_not_called_equality() -> None:
    text, last = say(Direct=BASE, AT=plus(0.5, -0.4, 0.2, -0.3, 0.1))
    assert text.startswith("No difference between AT and Direct is shown: +0.02 points (95 % interval -")
    assert "there may still be one" in last
    assert "better" not in text + last


def test_what_holm_takes_back_is_not_claimed() -> None:
    """p = 0.03 alone, but four comparisons."""
    lucky = plus(0.9, 0.1, 0.8, 0.2, 0.6)
    alone = say(Direct=BASE, A=lucky)
    noise = [plus(*changes) for changes in ((0.5, -0.4, 0.2, -0.3, 0.1), (-0.5, 0.4, 0.1, 0.3, -0.1))]
    family = say(Direct=BASE, A=lucky, B=noise[0], C=noise[1])
    assert "A is better" in alone[0]
    assert not any("better" in text for text in family)
    assert "Alone it would pass (p = 0.0" in next(text for text in family if "between A and" in text)


def test_one_run_shows_nothing() -> None:
    (text,) = say(Direct=[70.0], AT=[75.0])
    assert text == "AT against Direct: +5.00 points in the only common run; a single run proves nothing."


def test_no_common_run_and_no_spread() -> None:
    frame = make_frame({"Direct": [70.0, None], "AT": [None, 75.0], "TAKD": [71.0, None]})
    texts = sentences(stats.comparisons(frame))
    assert "AT and Direct have no run in common: nothing can be compared." in texts
    (text,) = say(Direct=BASE, AT=plus(0.5, 0.5, 0.5, 0.5, 0.5))
    assert "without any spread there is no interval and no test" in text
    assert "better" not in text


def test_references_are_compared_once_and_the_shown_comes_first() -> None:
    texts = say(Direct=BASE, AT=plus(0.5, -0.4, 0.2, -0.3, 0.1), HPM_KD=plus(1.0, 1.2, 0.9, 1.1, 1.0))
    assert texts[0].startswith("HPM-KD is better than Direct")
    assert not any(text.startswith("Direct is") for text in texts)
    assert len(texts) == 4


def test_nothing_to_compare() -> None:
    assert sentences(stats.comparisons(make_frame({"AT": BASE}))) == [
        "Nothing can be compared yet: that needs students of a reference and of another baseline."
    ]


def test_several_data_sets_are_counted() -> None:
    up, none = plus(1.0, 1.2, 0.9, 1.1, 1.0), plus(0.5, -0.4, 0.2, -0.3, 0.1)
    frame = pd.concat([make_frame({"Direct": BASE, "AT": up}, "D1"), make_frame({"Direct": BASE, "AT": none}, "D2")])
    texts = sentences(stats.comparisons(frame))
    assert texts[0] == "AT against Direct, 2 data sets: better on 1, without a shown difference on 1."
    assert texts[1].startswith("D1: AT is better")


@pytest.mark.parametrize(
    ("runs", "words"),
    [(1, ["no intervals and no tests"]), (3, ["0.25", "Student's t"]), (5, ["0.0625", "Student's t"])],
)
def test_cautions_name_what_is_too_few(runs: int, words: list[str]) -> None:
    frame = make_frame({"Direct": BASE[:runs], "AT": plus(1.0, 1.2, 0.9, 1.1, 1.0)[:runs]})
    text = " ".join(cautions(frame, stats.comparisons(frame)))
    assert all(word in text for word in words)


def test_enough_runs_need_no_caution_and_mixed_devices_do() -> None:
    values = [70 + (run * 7 % 10) / 10 for run in range(20)]
    frame = make_frame({"Direct": values, "AT": [value + 0.1 * (run % 3) for run, value in enumerate(values)]})
    assert cautions(frame, stats.comparisons(frame)) == []
    frame.loc[1, "device"] = "GPU"
    assert "2 kinds of device (GPU, cpu)" in cautions(frame, stats.comparisons(frame))[0]


def test_verdicts_of_missing_numbers() -> None:
    assert verdict({"p_holm": float("nan"), "difference": 1.0}) == "untested"


def test_costs_count_what_is_shared_in_each_baseline_and_once_in_all() -> None:
    table = costs(make_frame({"Direct": BASE, "AT": BASE})).set_index(["baseline", "role"])["seconds"]
    assert table["Direct"].to_dict() == {"student": 50.0}
    assert table["AT"].to_dict() == {"teacher": 10.0, "student": 50.0}
    assert table["all"].to_dict() == {"teacher": 10.0, "student": 100.0}
