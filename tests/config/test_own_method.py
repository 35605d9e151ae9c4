"""Sections of users' methods, made again from their JSON schemas."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field, ValidationError

from hpmkd.config.extended import extended, own_keys, own_switches
from hpmkd.config.fields import Fraction, NonNegative, Positive, PositiveInt, Section
from hpmkd.config.keys import default_of, leaves
from hpmkd.config.load import validate
from hpmkd.config.own_method import OwnMethod, method_from_json
from hpmkd.config.own_section import section_of
from hpmkd.config.sweep import SweepConfig
from hpmkd.config.words import read, vocabulary, word_of
from hpmkd.errors import UsageError
from hpmkd.plan.catalog import baseline_of, baselines_of


class Settings(Section):
    """One of each kind."""

    weight: NonNegative = Field(1.5, description="weight")
    size: Positive = 2.0
    max_steps: PositiveInt = 3
    part: Fraction = 0.5
    deep: bool = False
    form: Literal["cosine", "mse"] = "cosine"
    sizes: Annotated[list[Positive], Field(min_length=1)] = Field([1.0, 2.0])
    limit: PositiveInt | None = None
    name: str = "x"


def method(kind: Any = "features", teachers: Any = "one", section: type[Section] = Settings) -> OwnMethod:
    settings = json.dumps(section.model_json_schema(), sort_keys=True)
    return OwnMethod("Mine", "/x/mine.py:Mine", kind, teachers, (), settings, "0" * 64, ("mine.py",), "/x")


def config(*methods: OwnMethod, **more: Any) -> SweepConfig:
    raw = {"datasets": ["Digits"], "baselines": ["Direct"]}
    return validate(raw, "test", more, model=extended(methods or (method(),)))


VALUES: dict[str, list[Any]] = {
    "weight": [0, 1.5, 1e9, -1e-9, "1", float("inf"), None], "size": [0.0, 1e-9, 3], "max_steps": [0, 1, 1.5, True],
    "part": [-0.1, 0, 1, 1.1], "deep": [True, 0, "no"], "form": ["cosine", "mse", "Cosine", 1],
    "sizes": [[], [1], [0], 3], "limit": [None, 1, 0], "name": ["", 3],
}  # fmt: skip


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in VALUES.items() for value in values])
def test_it_takes_what_the_users_own_takes(name: str, value: Any) -> None:
    def takes(section: type[Section]) -> bool:
        try:
            section.model_validate({name: value})
        except ValidationError:
            return False
        return True

    assert takes(section_of(method().settings)) == takes(Settings)


def test_defaults_and_descriptions_are_the_users() -> None:
    made = section_of(method().settings)
    assert made().model_dump() == Settings().model_dump()
    assert made.model_fields["weight"].description == "weight"
    with pytest.raises(ValidationError):
        made.model_validate({"other": 1})


def test_a_method_comes_back_from_what_is_noted() -> None:
    noted = json.loads(json.dumps(method().to_json()))
    assert "origin" not in noted
    assert method_from_json(noted, "/y") == method()


def test_a_method_that_lies_elsewhere_is_taken_from_there() -> None:
    """An output that was moved, or a second one of the same method in one process."""
    one = method()
    other = replace(one, origin="/y")
    assert one == other
    assert extended((one,)).own_methods["Mine"].origin == "/x"
    assert extended((other,)).own_methods["Mine"].origin == "/y"


def test_the_config_knows_its_keys() -> None:
    model = extended((method(),))
    assert model is extended((method(),))
    assert extended(()) is SweepConfig
    assert {key for key, _ in leaves(model)} - {key for key, _ in leaves()} == {f"mine.{name}" for name in VALUES}
    assert default_of("mine.weight", model) == 1.5
    found = config(**{"mine.weight": 4})
    assert type(found)(**found.model_dump()) == found


@pytest.mark.parametrize(
    ("overrides", "place", "expected"),
    [
        ({"mine.weight": -1}, "--mine.weight: bad value", "greater than or equal to 0"),
        ({"mine.wieght": 1}, "unknown key `mine.wieght`", "weight"),
        ({"mine.form": "l1"}, "--mine.form", "'cosine' or 'mse'"),
    ],
)
def test_bad_values_are_said(overrides: dict[str, Any], place: str, expected: str) -> None:
    with pytest.raises(UsageError) as caught:
        config(**overrides)
    assert place in caught.value.where
    assert expected in str(caught.value.expected)


@given(st.floats(0, 1e6), st.booleans())
def test_words_say_each_value(weight: float, deep: bool) -> None:
    keys = own_keys(config(), "mine")
    assert keys == {f"mine.{name}" for name in ("weight", "size", "max_steps", "part", "deep")}
    for key, value in (("mine.weight", weight), ("mine.deep", deep), ("mine.max_steps", 7)):
        word = word_of(key, value)
        assert word is not None
        assert read(word, keys) == (key, value)


def test_which_words_there_are() -> None:
    found = config()
    words = vocabulary(own_keys(found, "mine"), own_switches(found))
    assert words == ["deep", "noDeep", "maxSteps2", "part0.5", "size20000", "weight0.9"]
    assert word_of("mine.form", "mse") is None
    assert word_of("mine.weight", -1.0) is None


@pytest.mark.parametrize(
    ("entry", "label"),
    [
        ("Mine", "Mine"),
        ("x/mine.py:Mine-weight2.0-T3", "Mine-T3-weight2"),
        ("/a-b/c.py:Mine-deep-alone", "Mine-alone-deep"),
        ("Mine-noDeep", "Mine"),
        ("Mine-maxSteps3", "Mine"),
        ("Mine-adaptive-weight0", "Mine-adaptive-weight0"),
        ("Mine-LS", "Mine-LS"),
    ],
)
def test_names(entry: str, label: str) -> None:
    found = baseline_of(config(), entry)
    assert found.label == label
    assert dict(found.hparams)["method.source"] == "0" * 64


@pytest.mark.parametrize("word", ["weight", "depth2", "Weight2", "form", "beta2", "M2", "noWeight", "deep2"])
def test_words_that_it_has_not(word: str) -> None:
    with pytest.raises(UsageError):
        baseline_of(config(), f"Mine-{word}")


KINDS = {
    "features": {"kd.alpha", "kd.temperature"},
    "kd": {"kd.alpha", "kd.temperature"},
    "logits": set(),
    "plain": set(),
}


@pytest.mark.parametrize("kind", KINDS)
def test_what_each_kind_is_given(kind: str) -> None:
    found = baseline_of(config(method(kind=kind)), "Mine")
    given_to = {name for name, _ in found.hparams}
    assert given_to - {f"mine.{name}" for name in VALUES} == KINDS[kind] | {"method.source"}
    assert (found.teachers, found.taught_by) == (1, "last")


def test_how_many_teachers() -> None:
    none = baseline_of(config(method(kind="plain", teachers="none")), "Mine")
    assert (none.teachers, none.taught) == (0, False)
    several = baseline_of(config(method(kind="plain", teachers="several")), "Mine-M4")
    assert (several.label, several.teachers, several.taught_by) == ("Mine-M4", 4, "all")


def test_ls_replaces_a_temperature_of_its_own() -> None:
    class Own(Section):
        temperature: Positive = 3.0
        beta: Positive = 2.0

    made = config(method(kind="logits", section=Own))
    plain, standard = baseline_of(made, "Mine-temperature5"), baseline_of(made, "Mine-LS-beta3")
    assert dict(plain.hparams)["mine.temperature"] == 5
    assert "mine.temperature" not in dict(standard.hparams)
    assert dict(standard.hparams)["ls.temperature"] == 2
    with pytest.raises(UsageError, match="changes nothing there"):
        baseline_of(made, "Mine-LS-temperature5")


def test_it_is_varied_as_others_are() -> None:
    grid = {"baselines": ["x/mine.py:Mine"], "mine.weight": [1, 2.5], "mine.deep": [False, True]}
    labels = [one.label for one in baselines_of(config(vary=[grid]))]
    assert labels == ["Direct", "Mine-weight1", "Mine-deep-weight1", "Mine-weight2.5", "Mine-deep-weight2.5"]
    for key, values in (("mine.weight", [-1]), ("mine.nothing", [1]), ("mine.form", ["mse"])):
        with pytest.raises(UsageError):
            baselines_of(config(vary=[{"baselines": ["Mine"], key: values}]))
