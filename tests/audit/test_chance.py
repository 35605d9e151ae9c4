"""Networks that have learnt nothing are said, in the report and after a sweep."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from support.frames import make_frame, make_output

from hpmkd.analysis.report.content import gather
from hpmkd.audit.chance import near_chance, remarks, without_meaning
from hpmkd.plan.job import Job


@pytest.mark.parametrize(("classes", "near", "above"), [(2, 52.0, 53.0), (10, 14.0, 15.0), (100, 2.0, 2.1)])
def test_what_is_near_chance(classes: int, near: float, above: float) -> None:
    assert near_chance(near, classes)
    assert not near_chance(above, classes)
    assert not near_chance(float("nan"), classes)


def test_a_teacher_at_chance_is_said() -> None:
    said = remarks(make_frame({"Direct": [56.0], "AT": [9.58]}, teacher=9.86), {"D": 10})
    assert said == [
        "The teacher of D is at or near chance (9.86 % of 10 classes): retention says nothing, nor does what its "
        "students learn from it.",
        "On D AT is at or near chance (mean accuracy, 10 classes).",
    ]


def test_a_retention_that_no_good_teacher_allows_is_said() -> None:
    frame = make_frame({"Direct": [90.0], "AT": [61.0]}, teacher=60.0)
    assert remarks(frame, {"D": 10}) == [
        "The teacher of D (60.00 %) is far worse than Direct (retention 150.0 %): retention says little."
    ]


def test_nothing_is_said_of_good_networks_nor_of_unknown_data_sets() -> None:
    assert remarks(make_frame({"Direct": [80.0], "AT": [81.0]}), {"D": 10}) == []
    assert remarks(make_frame({"Direct": [80.0], "AT": [9.0]}, teacher=9.0), {}) == []
    frame = make_frame({"Direct": [80.0]})
    assert remarks(frame[frame["role"] == "student"], {"D": 10}) == [], "without a teacher"


def test_it_is_among_the_cautions_of_a_report(tmp_path: Path, cache_dir: Path) -> None:
    def accuracy(job: Job) -> float:
        return 10.0 if job.role == "teacher" else 50.0

    output, _, _ = make_output(tmp_path / "out", cache_dir, accuracy, baselines=["Direct", "AT"], runs=2)
    assert gather(output.root).cautions[0].startswith("The teacher of Digits is at or near chance (10.00 % of 10")


_THREE = (("A", 70.0, 80.0), ("B", 11.0, 10.0), ("C", 60.0, 30.0))


def test_where_retention_says_nothing() -> None:
    made = [make_frame({"AT": [score]}, name, teacher) for name, score, teacher in _THREE]
    frame = pd.concat(made, ignore_index=True)
    assert without_meaning(frame, {"A": 10, "B": 10, "C": 10}) == ["B", "C"]
