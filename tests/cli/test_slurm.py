"""`hpmkd slurm`: the script that it writes, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import pytest

from hpmkd.cli.main import main


def test_to_the_terminal(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["full", "--time", "4:00:00", "--gpus-per-node", "4", "--sbatch=--exclusive", "--runs", "3", "-o", "my out"]
    assert main(["slurm", *words]) == 0
    text = capsys.readouterr().out
    assert "# Made by: hpmkd slurm full --time 4:00:00" in text
    assert "#SBATCH --gpus-per-node=4\n#SBATCH --exclusive\n" in text
    assert f"cd {tmp_path} ||" in text
    assert "-m hpmkd run --mode full --runs 3 -o 'my out' &" in text


def test_to_a_file(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "my jobs" / "full.sbatch"
    assert main(["slurm", "full", "--nodes", "2", "--script", str(file)]) == 0
    assert capsys.readouterr().out == f"submit it with: sbatch '{file}'\n"
    assert '--address "$address"' in file.read_text()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["no-such-mode"], "no-such-mode"),
        (["full", "--runz", "3"], "unknown flag --runz"),
        (["full", "--runs", "many"], "runs"),
        (["full", "--address", "auto"], "the cluster that the script starts"),
        (["full", "--time", "4h"], "--time"),
        (["full", "--grace", "5"], "60 s or more"),
        (["full", "--time", "2"], "a minute more than --grace (120 s)"),
        (["full", "--nodes", "0"], "1 or more"),
        (["full", "--cpus-per-node", "-1"], "1 or more"),
        (["full", "--sbatch=--a\n#SBATCH --b"], "on one line"),
        (["full", "--sbatch", "exclusive"], "on one line"),
        (["full", "--partition", "two words"], "--partition"),
        (["full", "--account", ""], "--account"),
        (["full", "--qos", "a\n#SBATCH --b"], "--qos"),
        (["full", "--mem", "much"], "a size, such as 64G"),
        (["full", "--dry-run"], "a sweep that trains"),
        (["full", "--print_config"], "a sweep that trains"),
        (["full", "--mode", "quick"], "a sweep that trains"),
        (["full", "--setup", "if module load cuda"], "whole commands of the shell"),
        (["full", "--setup", "echo 'it"], "whole commands of the shell"),
        ([], "MODE"),
    ],
)
def test_refused(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["slurm", *words]) == 2
    assert said in capsys.readouterr().err


def test_a_file_that_may_have_been_changed_stays(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    words = ["slurm", "full", "--script", str(tmp_path / "full.sbatch")]
    assert main(words) == main(words) == 0
    with (tmp_path / "full.sbatch").open("a") as file:
        file.write("# mine")
    assert main(words) == 2
    assert "changed by hand" in capsys.readouterr().err
    assert (tmp_path / "full.sbatch").read_text().endswith("# mine")
