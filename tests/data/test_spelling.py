"""Labels that say nothing, and names that are nearly the same."""

from __future__ import annotations

import pytest

from hpmkd.data.source.spelling import remarks, says_nothing


@pytest.mark.parametrize("text", ["", "  ", "nan", "NaN", "NA", "N/A", "<NA>", "None", "NULL", " NA\t"])
def test_what_says_nothing(text: str) -> None:
    assert says_nothing(text)


@pytest.mark.parametrize("text", ["none", "null", "Na", "naan", "0", "-", "no"])
def test_what_may_be_a_name(text: str) -> None:
    assert not says_nothing(text)


@pytest.mark.parametrize(
    ("names", "alike"),
    [
        (["cat", "cat ", "dog"], "'cat' and 'cat '"),
        (["Cat", "cat", "dog"], "'Cat' and 'cat'"),
        (["sea  lion", "sea lion"], "'sea  lion' and 'sea lion'"),
        (["1", "1.0", "01", "2"], "'01' and '1' and '1.0'"),
        (["1", "+1", "2"], "'+1' and '1'"),
        (["1e0", "1", "2", "a", "A"], "'1' and '1e0', 'A' and 'a'"),
    ],
)
def test_names_that_are_nearly_the_same(names: list[str], alike: str) -> None:
    (said,) = remarks(names)
    assert said.endswith(f"differ only by spaces, capitals or the format of numbers: {alike}")


@pytest.mark.parametrize(
    "names",
    [
        [],
        ["cat", "dog"],
        ["1", "2", "10"],
        ["inf", "infinity"],
        ["cat1", "cat 1"],
        ["1e400", "1e500"],
        ["90071992547409931", "90071992547409932"],
        ["a\udce9", "\udce9"],
    ],
)
def test_names_that_are_not(names: list[str]) -> None:
    assert remarks(names) == []


def test_accents_in_two_ways_are_said() -> None:
    assert remarks(["\u00e9", "e\u0301", "z"]) == [
        "names written with accents as one character and as two are read as one class: \u00e9"
    ]
    assert remarks(["\u00e9", "z"]) == remarks(["e\u0301", "z"]) == []
    assert len(remarks(["\u00e9", "e\u0301", "\u00c9"])) == 2, "and capitals besides"
