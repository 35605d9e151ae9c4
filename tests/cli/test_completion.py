"""Completion scripts, tried in the shell itself where it is there."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from hpmkd.cli.completion import SHELLS
from hpmkd.cli.main import COMMANDS, main


@pytest.mark.parametrize("shell", SHELLS)
def test_scripts_know_every_command_and_flag(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out
    for name in [*COMMANDS, "watch", "fit.lr", "restore", "evaluate"]:
        assert name in script
    assert "torchscript" in script


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash here")
@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["hpmkd", "sta"], "status"),
        (["hpmkd", "status", "--wa"], "--watch"),
        (["hpmkd", "run", "--fit.l"], "--fit.lr"),
        (["hpmkd", "export", "--to", "on"], "onnx"),
    ],
)
def test_bash_completes(words: list[str], expected: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", "bash"]) == 0
    script = tmp_path / "complete.bash"
    script.write_text(capsys.readouterr().out)
    line = " ".join(f"'{word}'" for word in words)
    code = f"source {script}; COMP_WORDS=({line}); COMP_CWORD={len(words) - 1}; "
    code += "$(complete -p hpmkd | sed 's/.*-F \\([^ ]*\\).*/\\1/') hpmkd; printf '%s\\n' \"${COMPREPLY[@]}\""
    done = subprocess.run(["bash", "--norc", "-c", code], capture_output=True, text=True, check=True)
    assert expected in done.stdout.split()


def test_another_shell_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", "tcsh"]) == 2
    assert "bash" in capsys.readouterr().err
