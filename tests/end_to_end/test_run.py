"""The command without Ray: configs, outputs, dry runs, errors and their exit codes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from support.sweeps import words

from hpmkd.cli.main import main, run_command
from hpmkd.cli.parser import parse
from hpmkd.config.load import to_yaml, validate
from hpmkd.config.sweep import SweepConfig
from hpmkd.errors import UsageError
from hpmkd.programme.api import run_sweep
from hpmkd.store.lock import locked
from hpmkd.store.output_dir import OutputDir
from hpmkd.sweep.resolution import resolve

ROOT = Path(__file__).resolve().parents[2]


def call(*arguments: str) -> int:
    return run_command(list(arguments), "run_sweep.py")


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Default outputs lie under the working folder."""
    monkeypatch.chdir(tmp_path)


def test_print_config_is_a_config(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert call("--fit.lr", "0.5", "--print_config") == 0
    printed = capsys.readouterr().out
    config = validate(yaml.safe_load(printed), "printed")
    assert config.fit.lr == 0.5
    assert config.datasets == ["Digits"]
    (tmp_path / "mine.yaml").write_text(printed)
    assert call("--mode", "mine.yaml", "--print_config") == 0
    assert capsys.readouterr().out == printed


def test_restore_without_a_folder_says_what_it_took(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """A clock decides here, so it must be seen; with one sweep there is nothing to say."""
    for number, name in enumerate(("newer", "older")):
        folder = tmp_path / "results" / name
        folder.mkdir(parents=True)
        (folder / "sweep.yaml").write_text("datasets: [Digits]\nbaselines: [Direct]\n")
        os.utime(folder / "sweep.yaml", (1e9 - number, 1e9 - number))
        assert call("--restore", "-n") == 0
        captured = capsys.readouterr()
        assert f"models in {tmp_path / 'results' / 'newer'}" in captured.out
        assert ("results/newer, the most recently started of 2 sweeps" in captured.err) == (number == 1)


def saved_sweep(folder: Path, *flags: str) -> None:
    """What a sweep that was started in `folder` leaves first of all."""
    output = OutputDir(folder)
    config, _ = resolve(parse([*flags, "-o", str(folder)], "run_sweep.py"))
    folder.mkdir(parents=True)
    output.config_file.write_text(to_yaml(config))


def test_restore_may_be_appended_to_the_command(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """`--mode` says which output it is."""
    saved_sweep(tmp_path / "results" / "quick", "--mode", "quick", "--runs", "2")
    saved_sweep(tmp_path / "results" / "newest", "--mode", "quick", "--runs", "7")
    assert call("--mode", "quick", "--runs", "2", "--restore", "-n") == 0
    assert f"models in {tmp_path / 'results' / 'quick'}" in capsys.readouterr().out
    assert call("--mode", "quick", "--runs", "7", "-o", "results/newest", "--restore", "-n") == 0
    assert f"models in {tmp_path / 'results' / 'newest'}" in capsys.readouterr().out
    # Resources and records change no model.
    more = ("--max-concurrent", "1", "--record.tensorboard", "false", "--data-dir", "elsewhere")
    assert call("--mode", "quick", "--runs", "2", *more, "--restore", "-n") == 0


@pytest.mark.parametrize("flags", [["--mode", "quick"], ["--mode", "quick", "--runs", "3"], ["--mode", "strong"]])
def test_restore_with_another_mode_is_told_as_a_difference(
    flags: list[str], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    saved_sweep(tmp_path / "out", "--mode", "quick", "--runs", "2", "--fit.lr", "0.5")
    assert call(*flags, "-o", "out", "--restore") == 4
    said = capsys.readouterr().err
    assert f"--restore: {tmp_path / 'out'} was started with other settings" in said
    assert "`fit.lr` 0.5 -> 0.001" in said or "strong" in flags
    assert "leave --mode out" in said


def test_a_home_folder_may_be_written_with_a_tilde(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A shell leaves `--mode=~/x` as it is."""
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "mine.yaml").write_text("datasets: [Digits]\nbaselines: [Direct]\n")
    assert call("--mode=~/mine.yaml", "-o", "~/out", "-n") == 0
    saved_sweep(tmp_path / "out", "--mode", "quick")
    assert call("--restore=~/out", "-n") == 0
    assert capsys.readouterr().out.count(f"models in {tmp_path / 'out'}") == 2


def test_settings_of_a_notebook_are_merged(tmp_path: Path) -> None:
    """And what is wrong is said to be wrong there."""
    with pytest.raises(UsageError, match=r"^settings, fit\.lr: bad value") as caught:
        run_sweep("quick", "out", settings={"fit": {"lr": -1.0}})
    assert "what to do" in str(caught.value)


def test_full_mode_is_the_published_experiment(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("--mode", "full", "--print_config") == 0
    config: SweepConfig = validate(yaml.safe_load(capsys.readouterr().out), "printed")
    assert config.datasets == ["MNIST", "FashionMNIST", "CIFAR10"]
    fit = config.fit
    assert (config.runs, fit.teacher_epochs, fit.student_epochs, fit.batch_size) == (5, 50, 30, 256)


def test_dry_run_names_every_model_and_writes_nothing(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "not there"))  # the user's own may have these models
    assert call("-n") == 0
    lines = capsys.readouterr().out.splitlines()
    # Teacher, assistant, search, logits caches, students; the networks (a head, the place, both), the grid (a
    # head, three axes, counts), time, the sums.
    assert len(lines) == 1 + 1 + 1 + 2 + 18 + 4 + 5 + 1 + 2
    assert lines[0].split() == ["teacher_Digits.pt", "missing"]
    assert any(
        line.split() == ["student_Digits_TAKD_run3.pt", "missing;", "waits", "for", "logits_assistant_Digits_TAKD"]
        for line in lines
    )
    assert lines[-2] == f"23 models in {tmp_path / 'results' / 'quick'}: 0 done, 23 to train"
    assert lines[-1].startswith("dry run: nothing was trained")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (
            ["--mode", "nope"],
            2,
            "expected: one of ablation, ablation_cpu, chain, chain_cpu, ",
        ),
        (["--fit.lr", "-1"], 2, "command line, --fit.lr: bad value"),
        (["--runs", "many"], 2, "command line, --runs: bad value"),
        (["--baselines", "HintNets"], 2, "expected: any of Direct, TraditionalKD"),
        (["--datasets", "cifar10"], 2, "did you mean CIFAR10?"),
        (["--teacher.arch", "vgg"], 2, "teacher"),
        (["--restore", "nowhere"], 2, "no sweep in"),
        (["--restore"], 2, "no sweep under results/"),
        (["--train-images", "100000"], 2, "at most 1298"),
        (["--datasets", "MNIST", "--data-dir", "empty", "--data.download", "false"], 3, "torchvision.datasets import"),
        (["--datasets", "./empty"], 3, "train.parquet and test.parquet"),
    ],
)
def test_errors_end_with_their_code_before_ray(
    arguments: list[str], code: int, message: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    assert call("--data.cache_dir", "cache", *arguments) == code
    captured = capsys.readouterr()
    assert captured.err.startswith("error: ")
    assert message in captured.err
    assert "Traceback" not in captured.err


def test_bad_key_in_a_file_names_file_and_known_keys(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mine.yaml").write_text("datasets: [Digits]\nbaselines: [Direct]\nfit:\n  learning_rate: 0.1\n")
    assert call("--mode", "mine.yaml") == 2
    message = capsys.readouterr().err
    assert "mine.yaml:4: unknown key `fit.learning_rate`" in message
    assert "lr, momentum" in message


def test_output_in_use_names_the_owner(tmp_path: Path, capsys: pytest.CaptureFixture[str], cache_dir: Path) -> None:
    with locked(OutputDir(tmp_path / "out")):
        assert run_command(words(tmp_path / "out", cache_dir), "run_sweep.py") == 11
    assert f"process {os.getpid()} on " in capsys.readouterr().err


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_output_without_permission(tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir(mode=0o500)
    assert call("-o", "closed/out") == 3


def test_output_that_is_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "out").write_text("mine")
    assert call("-o", "out") == 2
    assert capsys.readouterr().err.startswith("error: --output: a folder is needed")
    assert (tmp_path / "out").read_text() == "mine"


def test_resolved_config_is_saved_first(tmp_path: Path, cache_dir: Path) -> None:
    """Even a start that fails for want of data leaves its config, so that --restore needs no flag."""
    more = ["--datasets", "MNIST", "--data-dir", "empty", "--data.download", "false", "--kd.alpha", "0.5"]
    assert run_command(words(tmp_path / "out", cache_dir, *more), "run_sweep.py") == 3
    saved = validate(yaml.safe_load((tmp_path / "out" / "sweep.yaml").read_text()), "saved")
    assert saved.kd.alpha == 0.5
    assert saved.data.dir == str(tmp_path / "empty")


def test_sub_commands(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "-n", "--runs", "1"]) == 0
    assert main(["--version"]) == 0
    assert main([]) == 2
    assert main(["trane"]) == 2
    assert "run         train a sweep" in capsys.readouterr().err


@pytest.mark.parametrize("command", [["-m", "hpmkd", "run"], [str(ROOT / "run_sweep.py")]])
def test_help_as_a_user_calls_it(command: list[str]) -> None:
    done = subprocess.run([sys.executable, *command, "--help"], capture_output=True, text=True, check=True)
    assert "--restore" in done.stdout
    assert done.stderr == ""


@pytest.mark.parametrize("words", [["run", "-n"], ["--help"]])
def test_a_reader_that_wants_no_more_ends_nothing_with_a_traceback(words: list[str], tmp_path: Path) -> None:
    """`hpmkd run -n | head -1`."""
    command = f"{sys.executable} -m hpmkd {' '.join(words)} | head -1; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.stderr == ""
    assert done.stdout.splitlines()[-1] == "0"


@pytest.mark.parametrize("command", ["status", "status --json", "verify"])
def test_tables_for_a_reader_that_has_gone(command: str, out: Path) -> None:
    """`hpmkd status DIR | head -1`: rich would make an exit with code 1 of it."""
    program = f"{sys.executable} -m hpmkd {command} {out}"
    done = subprocess.run(
        ["bash", "-c", f"{program} | true; echo ${{PIPESTATUS[0]}}"], capture_output=True, text=True, cwd=ROOT
    )
    whole = subprocess.run(program.split(), capture_output=True, text=True, cwd=ROOT)
    assert (done.stdout, done.stderr) == ("0\n", "")
    assert whole.stdout
