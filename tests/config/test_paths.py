"""What a user writes where a path belongs, and is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from hpmkd.cli.main import main


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--output", ""], "output folder: an empty path"),
        (["--mode", ""], "--mode: an empty path"),
        (["--datasets", ""], "datasets: '': an empty path"),
        (["--datasets", "pets="], "datasets: 'pets=': an empty path"),
        (["--mode", "x" * 300], "--mode: not a path on this system"),
        (["--output", "x" * 300], "output folder: not a path on this system"),
        (["--datasets", "a=" + "x" * 5000], "not a path on this system"),
        (["--datasets", "a=~nosuchuser/x"], "datasets: 'a=~nosuchuser/x': no such user"),
        (["--output", "~nosuchuser/x"], "output folder: no such user"),
    ],
)
def test_paths_that_are_none(
    words: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Such as the value of a shell variable that is not set: nothing else stands in for it."""
    monkeypatch.chdir(tmp_path)
    assert main(["run", "-n", *words]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert "what to do: " in error
    assert len(error) < 800
