"""Settings that words put into a config."""

from __future__ import annotations

import pytest
from support.builders import make_config

from hpmkd.config.overrides import value_of, with_values, written
from hpmkd.errors import UsageError


def test_values_are_checked_as_in_a_file() -> None:
    config = make_config()
    changed = with_values(config, {"kd.temperature": 2, "takd.steps": 3}, "here")
    assert (changed.kd.temperature, changed.takd.steps, changed.kd.alpha) == (2.0, 3, config.kd.alpha)
    assert config.kd.temperature == 4.0
    for values, match in (
        ({"kd.alpha": 1.5}, r"here sets `kd\.alpha`(.|\n)*less than or equal to 1"),
        ({"takd.steps": 2.5}, "expected: a whole number"),
        ({"takd.size": 9000, "takd.steps": 2}, "expected: nothing beside takd.steps above 1"),
    ):
        with pytest.raises(UsageError, match=match):
            with_values(config, values, "here")


def test_what_differs_is_written_and_nothing_else() -> None:
    base = make_config()
    keys = {"kd.temperature", "kd.alpha", "hpmkd.chain", "hpmkd.weighting"}
    changed = with_values(base, {"kd.temperature": 2, "hpmkd.chain": False, "takd.steps": 3}, "here")
    assert written(changed, base, keys, set()) == ["noChain", "T2"]
    assert written(base, base, keys, keys) == []
    assert written(base, changed, keys, set()) == ["chain", f"T{value_of(base, 'kd.temperature'):g}"]
    assert written(base, changed, keys, {"hpmkd.chain"}) == ["T4"], "the full method has no word for what it is"
