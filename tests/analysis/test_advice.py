"""Sentences of the statistics beside the main test, on constructed cases."""

from __future__ import annotations

import pandas as pd
import pytest
from support.frames import make_frame

from hpmkd.analysis import stats
from hpmkd.analysis.advice import advice, over_groups, practical, runs_text

BASE = [70.0, 71.0, 69.5, 70.4, 70.8]
NEAR, FAR, OPEN = (0.1, -0.2, 0.15, 0.05, -0.1), (1.0, 1.2, 0.9, 1.1, 1.0), (0.5, -0.9, 1.2, 0.3, 0.8)


def plus(changes: tuple[float, ...]) -> list[float]:
    return [value + change for value, change in zip(BASE, changes, strict=False)]


def several(count: int) -> pd.DataFrame:
    """Data sets with the same three baselines."""
    scores = {"Direct": BASE, "AT": plus(NEAR), "TAKD": plus(OPEN)}
    return pd.concat([make_frame(scores, f"D{number}") for number in range(count)], ignore_index=True)


def advise(frame: pd.DataFrame) -> list[str]:
    return advice(stats.needed(stats.comparisons(frame)))


def test_runs_by_the_spread_that_was_measured() -> None:
    (said,) = advise(make_frame({"Direct": BASE, "AT": plus(OPEN)}))
    # sd 0.791, of which the 95 % interval is 0.474 to 2.273.
    assert said == (
        "To show a difference of 0.5 points from Direct takes 22 runs on D (10 to 165; there are 5): by the median "
        "spread of the paired differences, and by the ends of its 95 % interval (two-sided paired t-test at 0.05, "
        "power 80 %)."
    )


def test_the_level_is_that_of_the_first_step_of_holm() -> None:
    (said,) = advise(several(1))
    assert "t-test at 0.05 / 2, the first step of Holm's correction" in said
    assert "takes 27 runs on D0 (12 to 200; there are 5)" in said


def test_many_data_sets_are_a_range() -> None:
    (four,), (five,) = advise(several(4)), advise(several(5))
    assert four.count("there are 5") == 4
    assert "takes 27 runs over 5 groups (12 to 200)" in five
    other = pd.concat([several(5), make_frame({"Direct": BASE, "AT": plus(FAR)}, "D9")], ignore_index=True)
    assert "takes 3 to 27 runs over 6 groups (3 to 200)" in advise(other)[0]


def test_the_first_reference_is_the_one() -> None:
    (said,) = advise(make_frame({"Direct": BASE, "HPM-KD": plus(OPEN)}))
    assert "from Direct" in said
    (said,) = advise(make_frame({"AT": BASE, "HPM-KD": plus(OPEN)}))
    assert "from HPM-KD" in said


@pytest.mark.parametrize("scores", [{}, {"Direct": [70.0], "AT": [71.0]}, {"Direct": [70.0] * 3, "AT": [71.0] * 3}])
def test_without_a_spread_there_is_no_advice(scores: dict[str, list[float]]) -> None:
    assert advise(make_frame(scores)) == []


def test_numbers_that_are_no_plan_have_words() -> None:
    assert [runs_text(value) for value in (12.0, float("inf"), float("nan"))] == ["12", "more than 10,000", "-"]
    (said,) = advise(make_frame({"Direct": [70.0, 80.0], "AT": [75.0, 60.0]}))
    assert "more than 10,000; there are 2)" in said


def test_equivalence_is_counted_once_for_each_pair() -> None:
    frame = make_frame({"Direct": BASE, "AT": plus(NEAR), "HPM-KD": plus(FAR)})
    assert practical(stats.comparisons(frame)) == (
        "Against a margin of ±0.5 points (TOST), 3 comparisons: 1 equivalent, 2 different by more, 0 undecided."
    )
    frame = make_frame({"Direct": BASE, "AT": plus(OPEN)})
    assert practical(stats.comparisons(frame)).endswith("1 comparison: 0 equivalent, 0 different by more, 1 undecided.")
    assert practical(stats.comparisons(make_frame({"Direct": [70.0], "AT": [71.0]}))) == ""


def why_none(frame: pd.DataFrame) -> list[str]:
    return over_groups(stats.rank_tests(frame, stats.REFERENCES), stats.scores(frame))


def test_why_there_are_no_figures_over_groups() -> None:
    assert why_none(several(1))[0].endswith("pair of networks); there is 1.")
    assert why_none(several(2))[0].endswith("there are 2.")
    assert why_none(several(3)) == []
    two = several(3)
    two = two[two["baseline"] != "TAKD"]
    assert why_none(two) == ["Critical differences need 3 baselines that have all 3 groups; there are 2."]
    alone = several(3)
    (said,) = why_none(alone[alone["role"] != "teacher"])
    assert said == "Performance profiles and interquartile means need 3 groups with a teacher above 0 %."
