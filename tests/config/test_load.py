"""Strict configs: what is wrong is named with its place, what was expected and what is known."""

from __future__ import annotations

import itertools
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from support.builders import make_config

from hpmkd.config.architectures import ARCHITECTURES
from hpmkd.config.from_python import flattened
from hpmkd.config.keys import default_of, leaves, type_name
from hpmkd.config.load import (
    load,
    read_config_file,
    to_yaml,
    validate,
    with_overrides,
)
from hpmkd.config.programme import is_programme
from hpmkd.config.sweep import SweepConfig
from hpmkd.config.yaml_text import parse_yaml
from hpmkd.errors import UsageError

FILES = sorted((Path(__file__).resolve().parents[2] / "tune_configs").glob("*.yaml"))
CONFIGS = [path for path in FILES if not is_programme(path)]
GOOD: dict[str, Any] = {"datasets": ["Digits"], "baselines": ["Direct"]}


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_shipped_configs_are_valid_and_short(path: Path) -> None:
    validate(read_config_file(path), str(path))
    assert len(path.read_text().splitlines()) <= 40


@pytest.mark.parametrize(
    ("raw", "parts"),
    [
        ({**GOOD, "rums": 3}, ["f.yaml: unknown key `rums`", "did you mean `runs`", "datasets, baselines, runs"]),
        ({**GOOD, "fit": {"lrr": 1.0}}, ["unknown key `fit.lrr`", "did you mean `lr`", "batch_size"]),
        ({**GOOD, "runs": "3"}, ["bad value for `runs`", "found: '3'", "students per baseline"]),
        ({**GOOD, "runs": 0}, ["bad value for `runs`", "greater than or equal to 1"]),
        ({**GOOD, "runs": True}, ["bad value for `runs`"]),
        ({**GOOD, "runs": 2.0}, ["bad value for `runs`"]),
        ({**GOOD, "kd": {"alpha": 1.5}}, ["`kd.alpha`", "less than or equal to 1"]),
        ({**GOOD, "fit": {"optimizer": "adamw"}}, ["`fit.optimizer`", "adam|sgd"]),
        ({**GOOD, "fit": 3}, ["`fit`"]),
        ({"datasets": ["Digits"]}, ["`baselines`", "found: nothing"]),
        ({**GOOD, "datasets": []}, ["`datasets`", "at least 1"]),
        ({**GOOD, "datasets": ["Digits", "digits"]}, ["named twice"]),
        ({**GOOD, "datasets": "Digits"}, ["`datasets`"]),
        ({**GOOD, "seed": -1, "runs": 0}, ["2 problems"]),
    ],
)
def test_errors_say_where_what_and_what_else(raw: dict[str, Any], parts: list[str]) -> None:
    with pytest.raises(UsageError) as caught:
        validate(raw, "f.yaml")
    assert caught.value.exit_code == 2
    for part in parts:
        assert part in str(caught.value)


def test_a_wrong_flag_is_called_a_flag() -> None:
    with pytest.raises(UsageError, match=r"command line, --fit\.lr: bad value"):
        validate(GOOD, "f.yaml", {"fit.lr": -1.0})


@pytest.mark.parametrize("value", [float("inf"), float("-inf"), float("nan")])
def test_numbers_are_finite(value: float) -> None:
    with pytest.raises(UsageError, match=r"bad value for `fit.lr`"):
        validate({"datasets": ["Digits"], "baselines": ["Direct"], "fit": {"lr": value}}, "here")


@pytest.mark.parametrize("content", [b"- 1\n- 2\n", b"\xff\xfe\x00", b""])
def test_files_that_are_no_config(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "f.yaml").write_bytes(content)
    with pytest.raises(UsageError, match=r"f\.yaml"):
        read_config_file(tmp_path / "f.yaml")


def test_yaml_round_trip() -> None:
    config = make_config(fit__lr=3e-5, fit__milestones=[0.1, 0.2], data__train_images=None, data__dir="with space: x")
    assert validate(yaml.safe_load(to_yaml(config)), "again") == config
    assert validate(parse_yaml(to_yaml(config), "again"), "again") == config


def test_overrides_leave_their_source_alone() -> None:
    raw = {"fit": {"lr": 1.0}}
    assert with_overrides(raw, {"fit.lr": 2.0, "kd.alpha": 0.5}) == {"fit": {"lr": 2.0}, "kd": {"alpha": 0.5}}
    assert raw == {"fit": {"lr": 1.0}}


def test_leaves_are_all_keys() -> None:
    dumped = SweepConfig(**GOOD).model_dump()
    flat = {f"{key}.{inner}" for key, value in dumped.items() if isinstance(value, dict) for inner in value}
    flat |= {key for key, value in dumped.items() if not isinstance(value, dict)} | {"pairs"}  # a mapping of the user's
    assert {key for key, _ in leaves()} == flat


def test_defaults_and_type_names() -> None:
    assert (default_of("fit.lr"), default_of("teacher.arch"), default_of("runs")) == (1e-3, "lenet5_teacher", 5)
    fields = dict(leaves())
    names = [type_name(fields[key].annotation) for key in ("fit.optimizer", "fit.milestones", "takd.size")]
    assert names == ["adam|sgd", "list of float", "float|null"]


def test_configs_are_frozen() -> None:
    config = make_config()
    with pytest.raises(ValueError, match="frozen"):
        config.runs = 3


@pytest.mark.parametrize(("section", "arch"), [("teacher", "lenet5_teacher"), ("student", "lenet5_student")])
def test_widths_alone_are_of_the_default_network(section: str, arch: str) -> None:
    """`--teacher.channels '[2, 3, 8]'` without `--teacher.arch`, in a mode that names no networks."""
    raw = {"datasets": ["Digits"], "baselines": ["Direct"]}
    network = getattr(validate(raw, "a.yaml", {f"{section}.channels": [2, 3, 8]}), section)
    assert (network.arch, network.channels) == (arch, [2, 3, 8])


def expanded(word: str) -> list[str]:
    """`wrn_16/40_1/2` -> wrn_16_1, wrn_16_2, wrn_40_1, wrn_40_2."""
    parts = [part.split("/") for part in re.split(r"(\d+(?:/\d+)+)", word)]
    return ["".join(one) for one in itertools.product(*parts)]


def test_every_network_that_can_be_named_is_in_the_help() -> None:
    for key in ("teacher.arch", "student.arch"):
        names = (dict(leaves())[key].description or "").partition(" (")[0].split(", ")
        assert {one for name in names for one in expanded(name)} == ARCHITECTURES.keys()


MERGED = """
x-short: &short {lr: 0.1, batch_size: 32}
datasets: [Digits]
baselines: [Direct]
fit: &fit
  <<: *short
  lr: 0.2
teacher_fit: {<<: {lr: 0.5, batch_size: 8}, lr: 0.3}
"""


def test_merge_keys_bring_what_may_be_overridden(tmp_path: Path) -> None:
    """And keys that begin with x- hold what is merged."""
    (tmp_path / "mine.yaml").write_text(MERGED)
    config = validate(read_config_file(tmp_path / "mine.yaml"), "mine.yaml")
    assert (config.fit.lr, config.fit.batch_size) == (0.2, 32)
    assert (config.teacher_fit.lr, config.teacher_fit.batch_size) == (0.3, 8)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"fit": {"lr": 0.5}}, {"fit.lr": 0.5}),
        ({"fit": {"lr": 0.5}, "fit.momentum": 0.1, "runs": 2}, {"fit.lr": 0.5, "fit.momentum": 0.1, "runs": 2}),
        ({"fit.lr": np.float32(0.5)}, {"fit.lr": 0.5}),
        ({"fit": {"teacher_epochs": np.int64(3)}}, {"fit.teacher_epochs": 3}),
        ({"datasets": ("Digits", Path("/a/b"))}, {"datasets": ["Digits", "/a/b"]}),
        ({"student": {"channels": np.array([4, 8, 16])}}, {"student.channels": [4, 8, 16]}),
        ({"fit": {"milestones": (np.float64(0.25), 0.5)}}, {"fit.milestones": [0.25, 0.5]}),
        ({"record": {"tensorboard": np.bool_(False)}}, {"record.tensorboard": False}),
        ({"data": {"dir": Path("x") / "y"}}, {"data.dir": "x/y"}),
        ({"baselines": {"AT", "Direct"}}, {"baselines": ["AT", "Direct"]}),
        ({"fit.lr": torch.tensor(0.5)}, {"fit.lr": 0.5}),
        ({"fit": {}}, {}),
        ({"fit": 3}, {"fit": 3}),
    ],
)
def test_settings_from_python(settings: dict[str, Any], expected: dict[str, Any]) -> None:
    found = flattened(settings)
    assert found == expected
    assert {key: type(value) for key, value in found.items()} == {key: type(value) for key, value in expected.items()}


def test_a_section_that_is_set_in_part_keeps_the_rest() -> None:
    raw = {"datasets": ["Digits"], "baselines": ["Direct"], "fit": {"teacher_epochs": 15, "lr": 1.0}}
    config = validate(raw, "quick.yaml", flattened({"fit": {"lr": 0.5}, "student": {"channels": (2, 3, 4)}}))
    assert (config.fit.teacher_epochs, config.fit.lr, config.student.channels) == (15, 0.5, [2, 3, 4])
    assert raw["fit"] == {"teacher_epochs": 15, "lr": 1.0}


@pytest.mark.parametrize(
    ("overrides", "places", "place"),
    [
        ({"fit.lr": -1}, {}, "command line, --fit.lr: bad value"),
        ({"fit.teacher_epochs": 0}, {"fit.teacher_epochs": "command line, --teacher-epochs"}, "--teacher-epochs: bad"),
        ({"fit.lr": -1}, {"fit.lr": "settings, fit.lr"}, "settings, fit.lr: bad value"),
        ({"fit": 3}, {"fit": "settings, fit"}, "settings, fit: bad value"),
        ({"fit.lrr": 1}, {"fit.lrr": "settings, fit.lrr"}, "settings, fit.lrr: unknown key"),
        ({"datasets.pets": "x"}, {"datasets.pets": "settings, datasets.pets"}, "settings, datasets.pets: bad value"),
        ({"baselines.AT": 1}, {}, "command line, --baselines.AT: bad value for `baselines`"),
        ({"runs.n": 7}, {"runs.n": "settings, runs.n"}, "settings, runs.n: bad value for `runs`"),
        ({"fit.lr.a": 1}, {}, "command line, --fit.lr.a: bad value for `fit.lr`"),
        ({"seed.x": 1}, {"seed.x": "settings, seed.x"}, "settings, seed.x: bad value for `seed`"),
        ({}, {}, ""),
    ],
)
def test_errors_are_at_the_place_that_the_user_wrote(
    overrides: dict[str, Any], places: dict[str, str], place: str
) -> None:
    raw: dict[str, Any] = {"datasets": ["Digits"], "baselines": ["Direct"]}
    if not overrides:
        raw["fit"] = 3  # and no flag hides it
        overrides, place = {"fit.lr": 0.5}, "mine.yaml: bad value for `fit`"
    with pytest.raises(UsageError) as caught:
        validate(raw, "mine.yaml", overrides, places)
    assert place in str(caught.value)


@pytest.mark.parametrize(
    ("key", "value", "expected", "todo"),
    [
        ("runs", "x", "a whole number (int: students per baseline and data set)", "for example runs: 5, or leave it"),
        ("runs", 2.5, "whole number", "for example runs: 5"),
        ("fit.lr", "fast", "a number (float|null: learning rate", "for example fit.lr: 0.001"),
        ("fit.lr", -1, "greater than 0", "for example fit.lr: 0.001"),
        ("data.download", "maybe", "true or false", "for example data.download: true"),
        ("fit.precision", "half", "'fp32', 'bf16' or 'auto'", 'for example fit.precision: "fp32"'),
        ("datasets", 3, "a list", "correct it"),
        ("data.train_images", "many", "a whole number", "correct it, or leave it out"),
        (
            "resources.gpus_per_trial",
            2,
            "at most 1: a trial trains on one GPU",
            "1 gives each trial a whole GPU, 0.2 puts",
        ),
        (
            "resources.gpus_per_trial",
            1.5,
            "at most 1: a trial trains on one GPU",
            "several GPUs are filled with trials",
        ),
        (
            "resources.gpus_per_trial",
            -0.5,
            "greater than or equal to 0, or: 'auto'",
            'resources.gpus_per_trial: "auto"',
        ),
        ("resources.gpus_per_trial", 1e-9, "at least 0.01", "take a larger share, or auto"),
        ("resources.gpus_per_trial", float("nan"), "a finite number, or: 'auto'", 'resources.gpus_per_trial: "auto"'),
        ("resources.gpus_per_trial", float("inf"), "a finite number", 'resources.gpus_per_trial: "auto"'),
        ("resources.gpus_per_trial", "half", "a number, or: 'auto'", 'resources.gpus_per_trial: "auto"'),
        ("resources.gpus_per_trial", True, "a number, or: 'auto'", 'resources.gpus_per_trial: "auto"'),
    ],
)
def test_a_bad_value_is_told_in_plain_words(key: str, value: Any, expected: str, todo: str) -> None:
    with pytest.raises(UsageError) as caught:
        validate({"datasets": ["Digits"], "baselines": ["Direct"]}, "here", overrides={key: value})
    assert expected in (caught.value.expected or "")
    assert todo in (caught.value.todo or "")
    assert "Input should" not in str(caught.value)
    assert "known keys" not in str(caught.value)


REPEATS = """
datasets:
  - Digits
  - pets=a
  - digits
baselines:
  - Direct
  - AT
pairs: {small: {}, Small: {}}
takd: {steps: 2, size: 5}
vary: {baselines: [AT], at.beta: [1, 2, 1]}
"""


@pytest.mark.parametrize(
    ("overrides", "place", "found"),
    [
        ({}, "mine.yaml:5: bad value for `datasets`", "named twice: 'Digits' and 'digits'"),
        (
            {"datasets": ["Digits"], "vary": []},
            "mine.yaml:9: bad value for `pairs`",
            "named twice: 'small' and 'Small'",
        ),
        (
            {"datasets": ["Digits"], "pairs": {}, "vary": []},
            "mine.yaml:10: bad value for `takd.size`",
            "5 beside takd.steps: 2",
        ),
        (
            {"datasets": ["Digits"], "pairs": {}, "takd.steps": 1},
            "mine.yaml:11: bad value for `vary`",
            "1 is given twice",
        ),
        (
            {"datasets": ["Digits"], "pairs": {}, "takd.steps": 1, "vary": [], "baselines": ["AT", "AT"]},
            "settings, baselines: bad value for `baselines`",
            "'AT' is named twice",
        ),
        (
            {"datasets": ["MNIST", "mnist"]},
            "command line, --datasets: bad value for `datasets`",
            "named twice: 'MNIST' and 'mnist'",
        ),
    ],
)
def test_what_contradicts_itself_is_told_where_it_was_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, overrides: dict[str, Any], place: str, found: str
) -> None:
    """The message has what is wrong, and nothing else of the config."""
    monkeypatch.chdir(tmp_path)
    Path("mine.yaml").write_text(REPEATS)
    with pytest.raises(UsageError) as caught:
        load(Path("mine.yaml"), overrides, {"baselines": "settings, baselines"})
    assert (caught.value.where, caught.value.found) == (place, found)


def test_every_error_of_a_file_names_its_line(tmp_path: Path) -> None:
    for text, line in (("fit:\n  batch_size: 3\n  lr: -1", 5), ("kd: {alpha: 1,\n lrr: 3}", 4), ("fit:\n- 1", 3)):
        (tmp_path / "mine.yaml").write_text(f"datasets: [Digits]\nbaselines: [Direct]\n{text}\n")
        with pytest.raises(UsageError, match=rf"mine\.yaml:{line}: "):
            load(tmp_path / "mine.yaml")


def test_one_condition_in_two_spellings_comes_twice() -> None:
    with pytest.raises(UsageError, match=r"data\.label_noise") as caught:
        validate({"datasets": ["Digits"], "baselines": ["Direct"], "data": {"label_noise": ["sym0.2", "sym0.20"]}}, "x")
    assert caught.value.found == "'sym0.20' is 'sym0.2' again"
    both = {"label_noise": [None, "sym0.2", "pair0.2"], "imbalance": ["exp10", "step10", None]}
    assert (
        validate({"datasets": ["Digits"], "baselines": ["Direct"], "data": both}, "x").data.label_noise[2] == "pair0.2"
    )
