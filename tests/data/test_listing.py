"""Names and counts in messages."""

from __future__ import annotations

import pytest

from hpmkd.data.source.listing import some_of


@pytest.mark.parametrize(
    ("number", "whole", "verb", "text"),
    [
        (1, 6, "is", "1 of 6 cells is"),
        (1, 1, "is", "1 of 1 cell is"),
        (2, 6, "is", "2 of 6 cells are"),
        (0, 6, "has", "0 of 6 cells have"),
        (1, 6, "lacks", "1 of 6 cells lacks"),
        (1200, 6000, "lacks", "1,200 of 6,000 cells lack"),
        (3, 6, "was", "3 of 6 cells were"),
    ],
)
def test_the_verb_agrees_with_the_part(number: int, whole: int, verb: str, text: str) -> None:
    assert some_of(number, whole, "cell", verb=verb) == text
