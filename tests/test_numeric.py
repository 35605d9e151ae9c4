"""Numbers that are not defined are dashes and nulls, never errors."""

from __future__ import annotations

import json
import math
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpmkd.numeric import clock, divide, fixed, is_defined, json_ready, p_value, percent, whole

UNDEFINED = [None, math.nan, math.inf, -math.inf, pd.NA, pd.NaT, "text"]
anything = st.one_of(st.floats(), st.integers(), st.sampled_from(UNDEFINED), st.booleans())


@pytest.mark.parametrize("value", UNDEFINED, ids=repr)
def test_what_is_not_defined_is_a_dash(value: Any) -> None:
    assert not is_defined(value)
    assert {fixed(value, 2), fixed(value, 2, sign=True), percent(value), whole(value), p_value(value)} == {"-"}
    assert clock(value) == "-"
    assert math.isnan(divide(value, 1))
    assert math.isnan(divide(1, value))


@given(anything, anything)
def test_no_number_is_an_error(one: Any, other: Any) -> None:
    ratio = divide(one, other)
    assert math.isnan(ratio) or is_defined(ratio)
    for text in (fixed(one, 3), percent(one), whole(one), p_value(one), clock(one)):
        assert text == "-" or any(letter.isdigit() for letter in text)


def test_zero_divides_nothing() -> None:
    assert math.isnan(divide(1.0, 0.0))
    assert math.isnan(divide(0, 0))
    assert math.isnan(divide(1e308, 1e-308))
    assert divide(1, 4) == 0.25


def test_numbers_as_people_read_them() -> None:
    assert (fixed(1.005, 1), fixed(2, 2, sign=True), percent(96.2), whole(1234.0)) == (
        "1.0",
        "+2.00",
        "96.20%",
        "1,234",
    )
    assert (fixed(3e200, 1), whole(3e200), fixed(-3e200, 0, sign=True)) == ("3.0e+200", "3.00e+200", "-3e+200")
    assert (p_value(0.0), p_value(0.0004), p_value(0.05), p_value(0.0004, 4)) == ("<0.001", "<0.001", "0.050", "0.0004")
    assert (clock(0), clock(69.4), clock(97200)) == ("0:00:00", "0:01:09", "27:00:00")


@given(st.recursive(anything.filter(lambda value: not hasattr(value, "ctime")), st.lists))
def test_json_has_no_nan(value: Any) -> None:
    plain = json_ready({"a": value, "b": (math.nan, [math.inf])})
    assert plain["b"] == [None, [None]]
    json.dumps(plain, allow_nan=False, default=str)
