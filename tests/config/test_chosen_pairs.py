"""Pairs of a mode, by their names."""

from __future__ import annotations

import pytest

from hpmkd.config.load import with_overrides
from hpmkd.errors import UsageError

PAIRS = {"a-b": {"teacher": {"arch": "resnet56"}}, "a-c": {"student": {"arch": "resnet20"}}}


@pytest.mark.parametrize(("given", "names"), [("a-c", ["a-c"]), (["a-c", "a-b"], ["a-c", "a-b"])])
def test_pairs_of_the_mode_are_chosen_by_their_names(given: object, names: list[str]) -> None:
    made = with_overrides({"pairs": PAIRS}, {"pairs": given})
    assert made == {"pairs": {name: PAIRS[name] for name in names}}
    assert list(made["pairs"]) == names


def test_pairs_that_are_written_out_replace_those_of_the_mode() -> None:
    assert with_overrides({"pairs": PAIRS}, {"pairs": {"x": {}}}) == {"pairs": {"x": {}}}


@pytest.mark.parametrize(
    ("raw", "given", "todo"),
    [
        ({"pairs": PAIRS}, "a-d", "did you mean a-c?"),
        ({"pairs": PAIRS}, ["a-b", "zz"], "name some of them"),
        ({}, "a-b", "name some"),
    ],
)
def test_a_pair_that_the_mode_does_not_have(raw: dict[str, object], given: object, todo: str) -> None:
    with pytest.raises(UsageError, match="no such pair") as error:
        with_overrides(raw, {"pairs": given})
    assert todo in str(error.value.todo)
