"""The key `vary`: how it may be written, and what is refused at the place where it was written."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from hpmkd.cli.parser import parse
from hpmkd.config.from_python import flattened
from hpmkd.config.load import to_yaml, validate
from hpmkd.config.yaml_text import parse_yaml
from hpmkd.errors import UsageError

GRID = {"baselines": ["TraditionalKD"], "kd.temperature": [2, 4, 8], "kd.alpha": [0.5, 0.9]}
GOOD: dict[str, Any] = {"datasets": ["Digits"], "vary": GRID}


def test_one_grid_is_a_list_of_one_and_baselines_may_be_left_out() -> None:
    config = validate(GOOD, "f.yaml")
    assert config.vary == [GRID]
    assert config.baselines == []
    assert validate({**GOOD, "vary": [GRID, GRID], "baselines": ["Direct"]}, "f.yaml").vary == [GRID, GRID]
    assert validate({"datasets": ["Digits"], "baselines": ["Direct"], "vary": None}, "f.yaml").vary == []


def test_sections_may_be_written_as_sections() -> None:
    nested = {"baselines": ["TraditionalKD"], "kd": {"temperature": [2, 4, 8], "alpha": [0.5, 0.9]}}
    assert validate({**GOOD, "vary": nested}, "f.yaml").vary == [GRID]


def test_it_comes_back_from_the_saved_config() -> None:
    config = validate(GOOD, "f.yaml")
    assert validate(yaml.safe_load(to_yaml(config)), "again") == config


def test_from_the_command_line_and_from_python() -> None:
    request = parse(["--vary", "{baselines: [TraditionalKD], kd.temperature: [2, 4, 8], kd.alpha: [.5, .9]}"], "x")
    assert validate({"datasets": ["Digits"]}, "f.yaml", request.overrides).vary == [GRID]
    settings = flattened({"vary": {**GRID, "kd.alpha": (0.5, 0.9)}, "fit": {"lr": 0.1}})
    assert settings == {"vary": GRID, "fit.lr": 0.1}
    assert flattened({"vary": [GRID]}) == {"vary": [GRID]}


@pytest.mark.parametrize(
    ("vary", "parts"),
    [
        ({"baselines": ["AT"], "kd.temprature": [2]}, ["did you mean kd.temperature?"]),
        (
            {"baselines": ["AT"], "fit.lr": [2]},
            ["expected: a setting of a method: adaptive.part", "fit.lr, which cannot be varied", "the same for all"],
        ),
        ({"baselines": ["AT"], "kd.logits": ["live"]}, ["kd.logits cannot be varied", "how the teachers' logits"]),
        ({"baselines": ["AT"], "kd.alpha": 0.5}, ["kd.alpha: a list of values"]),
        ({"baselines": ["AT"], "kd.alpha": []}, ["kd.alpha: a list of values"]),
        ({"baselines": ["AT"], "kd.alpha": [0.5, 2]}, ["kd.alpha: 2", "less than or equal to 1"]),
        ({"baselines": ["AT"], "kd.alpha": ["0.5"]}, ["kd.alpha: '0.5'"]),
        ({"baselines": ["AT"], "kd.alpha": [0.5, 0.5]}, ["0.5 is given twice"]),
        ({"baselines": ["AT"]}, ["the grid of AT varies nothing"]),
        ({"kd.alpha": [0.5]}, ["names its baselines in a list"]),
        ({"baselines": "AT", "kd.alpha": [0.5]}, ["names its baselines in a list"]),
        (["AT"], ["a mapping of `baselines`"]),
        ("AT", ["a mapping of `baselines`"]),
    ],
)
def test_what_is_refused_is_named_with_its_place(vary: Any, parts: list[str]) -> None:
    for raw, overrides, place in (
        ({**GOOD, "vary": vary}, {}, "f.yaml: bad value for `vary`"),
        (GOOD, {"vary": vary}, "command line, --vary: bad value"),
    ):
        with pytest.raises(UsageError) as caught:
            validate(raw, "f.yaml", overrides)
        for part in [*parts, place]:
            assert part in str(caught.value)


def test_no_baselines_at_all() -> None:
    with pytest.raises(UsageError, match="at least one"):
        validate({"datasets": ["Digits"], "baselines": []}, "f.yaml")
    with pytest.raises(UsageError, match="key 'vary' is given twice"):
        parse_yaml("vary: []\nvary: []", "f.yaml")
