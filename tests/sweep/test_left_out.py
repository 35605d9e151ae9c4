"""A command on an output folder whose plan leaves out models that are there."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from support.frames import make_output
from support.sweeps import everything

from hpmkd.cli.main import main
from hpmkd.config.load import validate
from hpmkd.sweep.left_out import warn_left_out
from hpmkd.sweep.preparation import known_data, settle

_BEFORE = {"baselines": ["Direct", "AT"], "runs": 2}


@pytest.mark.parametrize(
    ("flags", "number", "which"),
    [
        (["--datasets", "MNIST"], "5 finished models", "all of Digits"),
        (["--baselines", "Direct"], "2 finished models", "all of AT"),
        (["--runs", "1"], "2 finished models", "student_Digits_Direct_run2.pt, student_Digits_AT_run2.pt"),
    ],
)
def test_the_dry_run_names_what_is_left_out(
    flags: list[str], number: str, which: str, tmp_path: Path, cache_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output, _, jobs = make_output(tmp_path, cache_dir, lambda job: 90.0, **_BEFORE)
    assert len(jobs) == 5
    before = everything(tmp_path)
    assert main(["run", "-n", "--restore", str(tmp_path), *flags]) == 0
    (said,) = [line for line in capsys.readouterr().err.splitlines() if "finished model" in line]
    assert said.startswith(f"{output.root} has {number} that this command leaves out of the plan ({which})")
    assert "the files stay" in said
    assert "-o DIR" in said
    assert everything(tmp_path) == before


def test_before_the_plan_is_replaced(tmp_path: Path, cache_dir: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Once: the next start of the new sweep leaves nothing out."""
    caplog.set_level(logging.WARNING, "hpmkd")
    output, config, jobs = make_output(tmp_path, cache_dir, lambda job: None if job.run == 2 else 90.0, **_BEFORE)
    other = validate(config.model_dump() | {"baselines": ["Direct"]}, "test")
    specs = known_data(other, output)
    settle(other, output, specs, force=False)
    assert [line for line in caplog.messages if "has 1 finished model that" in line]
    assert output.model_file(jobs["student_Digits_AT_run1"]).exists()
    caplog.clear()
    settle(other, output, specs, force=False)
    assert not caplog.messages


def test_more_of_the_same_leaves_nothing_out(
    tmp_path: Path, cache_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_output(tmp_path, cache_dir, lambda job: 90.0, **_BEFORE)
    assert main(["run", "-n", "--restore", str(tmp_path), "--runs", "3", "--datasets", "Digits", "MNIST"]) == 0
    assert "finished model" not in capsys.readouterr().err


@pytest.mark.parametrize("text", ["", "[1]", '[{"name": 1}]', "{"])
def test_a_plan_that_cannot_be_read_says_nothing(
    text: str, tmp_path: Path, cache_dir: Path, caplog: pytest.LogCaptureFixture
) -> None:
    output, _, _ = make_output(tmp_path, cache_dir, lambda job: 90.0, **_BEFORE)
    output.datasets_file.write_text(text)
    warn_left_out([], output)
    assert not caplog.messages


_GRID = {"baselines": ["Direct"], "vary": {"baselines": ["TraditionalKD"], "kd.temperature": [2, 4]}, "runs": 1}


def test_another_default_beside_a_grid_is_a_changed_setting(
    tmp_path: Path, cache_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """T = 4 is what `TraditionalKD` means; beside another default the same model would be `TraditionalKD-T4`."""
    make_output(tmp_path, cache_dir, lambda job: 90.0, **_GRID)
    before = everything(tmp_path)
    words = ["run", "--restore", str(tmp_path), "--kd.temperature", "5"]
    assert main(words) == 4
    said = capsys.readouterr().err
    assert "other settings would leave 1 finished model out of the plan (all of TraditionalKD)" in said
    assert "`kd.temperature` 4.0 -> 5" in said
    after = {name: one for name, one in everything(tmp_path).items() if not name.startswith(".sweep")}
    assert after == before
    assert main([*words, "-n"]) == 0
    out = capsys.readouterr().out
    assert "without -n this is refused, unless --force is given: " in out
    assert "`kd.temperature` 4.0 -> 5" in out
    assert main([*words, "-n", "--force"]) == 0
    assert "this is refused" not in capsys.readouterr().out


@pytest.mark.parametrize(
    "flags",
    [
        ["--vary", "{baselines: [TraditionalKD], kd.temperature: [2, 4, 8]}"],
        ["--baselines", "Direct", "AT"],
        ["--pairs", "{a: {}, b: {student: {arch: lenet5, channels: [2, 3, 10]}}}"],
        ["--runs", "2", "--takd.steps", "2"],
    ],
)
def test_a_grid_may_be_extended(
    flags: list[str], tmp_path: Path, cache_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """By axes, whatever they do to names; and by a setting that concerns nothing finished."""
    make_output(tmp_path, cache_dir, lambda job: 90.0, **_GRID)
    assert main(["run", "-n", "--restore", str(tmp_path), *flags]) == 0
    assert "this is refused" not in capsys.readouterr().out
