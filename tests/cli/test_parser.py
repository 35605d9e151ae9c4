"""Flags -> request."""

from __future__ import annotations

import re

import pytest
from support.sweeps import CONTRACT

from hpmkd.cli.main import main
from hpmkd.cli.parser import build_parser, parse
from hpmkd.config.keys import leaves
from hpmkd.errors import UsageError


def overrides(*words: str) -> dict:
    return parse(words, "run_sweep.py").overrides


def test_no_flags_ask_for_nothing_special() -> None:
    request = parse([], "run_sweep.py")
    assert (request.mode, request.output, request.restore, request.overrides) == (None, None, None, {})
    switches = (request.dry_run, request.force, request.verbose, request.quiet, request.print_config)
    assert not any(switches)


def test_help_says_what_quiet_leaves() -> None:
    (quiet,) = [action for action in build_parser("x")._actions if "--quiet" in action.option_strings]
    assert quiet.help == "print errors and notices only", "what is said of the data is a notice"


def test_every_flag_of_the_contract_exists() -> None:
    known = {flag for action in build_parser("x")._actions for flag in action.option_strings}
    assert set(CONTRACT.split()) <= known


def test_every_config_key_is_a_flag_with_a_description() -> None:
    text = build_parser("x").format_help()
    for key, field in leaves():
        # Up to Python 3.12 each of a flag's names is followed by its value, from 3.13 on the last one alone.
        assert re.search(rf"--{re.escape(key)}[ ,]", text), key
        assert field.description, key


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--datasets", "MNIST", "CIFAR10"], {"datasets": ["MNIST", "CIFAR10"]}),
        (["--dataset", "MNIST"], {"datasets": ["MNIST"]}),
        (["--baselines", "AT", "TAKD"], {"baselines": ["AT", "TAKD"]}),
        (["--runs", "7"], {"runs": 7}),
        (["--teacher-epochs", "3"], {"fit.teacher_epochs": 3}),
        (["--fit.student_epochs", "3"], {"fit.student_epochs": 3}),
        (["--fit.student_epochs=3"], {"fit.student_epochs": 3}),
        (["--fit.lr", "1e-2"], {"fit.lr": 0.01}),
        (["--gpus-per-trial", "0.2"], {"resources.gpus_per_trial": 0.2}),
        (["--data-dir", "123"], {"data.dir": "123"}),
        (["--data.train_images", "null"], {"data.train_images": None}),
        (["--fit.milestones", "[0.5, 0.9]"], {"fit.milestones": [0.5, 0.9]}),
        (["--resources.dashboard", "true"], {"resources.dashboard": True}),
    ],
)
def test_overrides(words: list[str], expected: dict) -> None:
    assert overrides(*words) == expected


def test_where_a_value_was_written_is_kept() -> None:
    request = parse(["--teacher-epochs", "3", "--fit.lr", "1"], "x")
    assert request.places == {"fit.teacher_epochs": "command line, --teacher-epochs"}


def test_restore_with_and_without_folder() -> None:
    assert parse(["--restore"], "x").restore == ""
    assert parse(["--resume", "out"], "x").restore == "out"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--dataset-dir", "x"], "unknown flag --dataset-dir"),
        (["--student-epoch", "3"], "did you mean --student-epochs"),
        (["--fit.lrr", "3"], "did you mean --fit.lr"),
        (["surplus"], "surplus"),
        (["--mode"], "--mode"),
        (["--fit.lr", "[1"], "--fit.lr"),
    ],
)
def test_wrong_flags_are_named(words: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message.replace("[", r"\[")) as caught:
        parse(words, "run_sweep.py")
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("words", [["--mine.beta", "3"], ["--mine.beta=3"], ["-n", "--mine.beta", "3", "--runs", "2"]])
def test_flags_of_a_users_method_wait_until_it_is_known(words: list[str]) -> None:
    request = parse(words, "run_sweep.py")
    assert request.own["mine.beta"].text == "3"
    assert request.places["mine.beta"] == "command line, --mine.beta"
    unknown = request.own["mine.beta"].unknown
    assert unknown.where == "command line: unknown flag --mine.beta"
    assert "a method of your own" in str(unknown.todo)
    assert "mine.beta" not in request.overrides


@pytest.mark.parametrize("words", [["--mine.beta"], ["--kd.beta", "3"], ["--mine.b-c", "3"], ["--my-x.beta", "3"]])
def test_others_are_refused_at_once(words: list[str]) -> None:
    with pytest.raises(UsageError, match="unknown flag"):
        parse(words, "run_sweep.py")


@pytest.mark.parametrize(("wrong", "meant"), [("stat", "status"), ("verfy", "verify"), ("xyz", None)])
def test_an_unknown_command_is_named(wrong: str, meant: str | None, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([wrong, "results/quick"]) == 2
    said = capsys.readouterr().err
    assert f"unknown command '{wrong}'" in said
    assert (f"did you mean {meant}?" in said) == (meant is not None)


def test_the_help_shows_values_as_they_are_written() -> None:
    text = build_parser("run_sweep.py").format_help()
    assert "--teacher_fit.optimizer adam|sgd|null" in text
    assert "--fit.lr FLOAT" in text


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--datasets", "Digits", "--dataset", "MNIST"], "--dataset is given 2 times, and the last one counts; write"),
        (["--runs", "3", "--runs=2"], "--runs is given 2 times, and the last one counts; write --runs once"),
        (["-o", "a", "--output", "b", "-o", "c"], "-o is given 3 times"),
        (["-n", "-n", "--datasets", "Digits", "MNIST", "--runs", "2"], ""),
    ],
)
def test_a_flag_given_twice_is_said(words: list[str], said: str, caplog: pytest.LogCaptureFixture) -> None:
    parse(words, "hpmkd run")
    assert len(caplog.messages) == bool(said)
    assert said in "".join(caplog.messages)
