"""Labels that say nothing, and names that are nearly the same."""

from __future__ import annotations

import pytest

from hpmkd.data.spelling import says_nothing


@pytest.mark.parametrize("text", ["", "  ", "nan", "NaN", "NA", "N/A", "<NA>", "None", "NULL", " NA\t"])
def test_what_says_nothing(text: str) -> None:
    assert says_nothing(text)


@pytest.mark.parametrize("text", ["none", "null", "Na", "naan", "0", "-", "no"])
def test_what_may_be_a_name(text: str) -> None:
    assert not says_nothing(text)
