"""What tells groups apart."""

from __future__ import annotations

import pandas as pd
from support.frames import make_frame

from hpmkd.analysis import stats


def test_a_group_is_a_place() -> None:
    frame = make_frame({"Direct": [70.0, 71.0, 72.0]})
    assert stats.students(frame)["place"].tolist() == ["D"] * 3
    axes = {"condition": ["n20", None, None, None], "pair": ["a-b", "a-b", float("nan"), None]}
    named = frame.assign(**axes) if len(frame) == 4 else pd.concat([frame, frame]).head(4).assign(**axes)
    places = dict.fromkeys(stats.students(named.assign(role="student", baseline="Direct", run=1))["place"])
    assert list(places) == ["D@n20+a-b", "D+a-b", "D"]
