"""What is said to limit the conclusions, of constructed cases."""

from __future__ import annotations

import pandas as pd
import pytest
from support.frames import make_frame

from hpmkd.analysis import stats
from hpmkd.analysis.cautions import cautions

BASE = [70.0, 71.0, 69.5, 70.4, 70.8]


def plus(*changes: float) -> list[float]:
    return [value + change for value, change in zip(BASE, changes, strict=False)]


def text(frame: pd.DataFrame) -> str:
    return " ".join(cautions(frame, stats.comparisons(frame)))


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


def test_of_comparisons_without_a_test_it_is_said_which_they_are() -> None:
    """One student of a sweep was lost: the other comparisons have their intervals."""
    whole = make_frame({"Direct": BASE[:3], "AT": plus(1.0, 1.2, 0.9), "TAKD": [71.0, None, None]})
    assert "With one run per baseline" not in text(whole)
    assert "the order may be chance: TAKD and Direct." in text(whole)
    assert "Where there are only 3 pairs" in text(whole)
    lost = make_frame({"Direct": [70.0, None], "AT": [71.0, 72.0]}, "E")
    both = pd.concat([whole[whole["baseline"] != "TAKD"], lost], ignore_index=True)
    assert "the order may be chance: AT and Direct on E." in text(both)


def test_two_references_are_named_once() -> None:
    frame = make_frame({"Direct": [70.0, 71.0], "HPM-KD": [72.0, None], "AT": [71.0, 72.5]})
    assert "chance: HPM-KD and Direct, AT and HPM-KD." in text(frame)


@pytest.mark.parametrize(
    ("condition", "pair", "words"),
    [
        ("n300", None, "over 2 conditions describe these conditions"),
        (None, "small", "over 2 pairs of networks describe these pairs"),
    ],
)
def test_mean_ranks_are_over_what_differs(condition: str | None, pair: str | None, words: str) -> None:
    first = make_frame({"Direct": BASE, "AT": plus(1.0, 1.2, 0.9, 1.1, 1.0)})
    second = first.assign(condition=condition, pair=pair)
    both = pd.concat([first.assign(pair="big") if pair else first, second], ignore_index=True)
    assert f"Mean ranks {words};" in text(both)
