"""What tells groups apart."""

from __future__ import annotations

import pandas as pd
from support.frames import make_frame

from hpmkd.analysis import stats
from hpmkd.analysis.stats.groups import group_names


def test_only_what_says_something_is_part_of_a_group() -> None:
    frame = make_frame({"Direct": [70.0]})
    assert stats.group_columns(frame) == ["dataset"]
    assert stats.group_columns(frame.assign(condition=None, pair=float("nan"))) == ["dataset"]
    assert stats.group_columns(frame.assign(condition=None, pair="r56-r20")) == ["dataset", "pair"]


def test_names_of_groups() -> None:
    frame = pd.DataFrame({"dataset": "D", "condition": ["sym0.2", None, None], "pair": ["a-b", "a-b", None]})
    assert group_names(frame).tolist() == ["D@sym0.2 a-b", "D a-b", "D"]
    assert group_names(frame[["dataset"]]).tolist() == ["D", "D", "D"]
    assert group_names(frame.iloc[:0]).empty
