"""What tells groups apart."""

from __future__ import annotations

import pandas as pd
from support.frames import make_frame

from hpmkd.analysis import stats


def test_a_group_is_a_place() -> None:
    frame = make_frame({"Direct": [70.0, 71.0]})
    assert stats.students(frame)["place"].tolist() == ["D", "D"]
    student = frame[frame["role"] == "student"].head(1)
    axes = {"condition": ["n20", None, None], "pair": ["a-b", "a-b", float("nan")]}
    three = pd.concat([student] * 3, ignore_index=True).assign(**axes)
    assert stats.students(three)["place"].tolist() == ["D@n20+a-b", "D+a-b", "D"]
