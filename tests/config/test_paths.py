"""What a user writes where a path belongs, and is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from hpmkd.cli.main import main


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--output", ""], "--output: an empty path"),
        (["--mode", ""], "--mode: an empty path"),
        (["--datasets", ""], "datasets: '': an empty path"),
        (["--datasets", "pets="], "datasets: 'pets=': an empty path"),
        (["--mode", "x" * 300], "--mode: not a path on this system"),
        (["--output", "x" * 300], "--output: not a path on this system"),
        (["--datasets", "a=" + "x" * 5000], "not a path on this system"),
        (["--datasets", "a=~nosuchuser/x"], "datasets: 'a=~nosuchuser/x': no such user"),
        (["--output", "~nosuchuser/x"], "--output: no such user"),
    ],
)
def test_paths_that_are_none(
    words: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Such as the value of a shell variable that is not set: nothing else stands in for it."""
    monkeypatch.chdir(tmp_path)
    assert main(["run", "-n", *words]) == 2
    named(said, capsys.readouterr().err)


@pytest.mark.parametrize("written", ["", "x" * 300, "~nosuchuser/x"])
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["status"], "DIR: "),
        (["report"], "DIR: "),
        (["verify"], "DIR: "),
        (["show"], "FILE: "),
        (["export", "--to", "safetensors"], "FILE: "),
        (["export", "x.pt", "--to", "safetensors", "--output"], "--output: "),
        (["data"], "datasets: "),
        (["run", "-n", "--data-dir"], "data.dir: "),
        (["run", "-n", "--output"], "--output: "),
    ],
)
def test_every_command_says_so(
    words: list[str],
    said: str,
    written: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main([*words, written]) == 2
    named(said, capsys.readouterr().err)


def named(said: str, error: str) -> None:
    assert said in error
    assert "what to do: " in error
    assert len(error) < 800
