"""Several sweeps in one folder: started, stopped in the middle, continued, read by every command."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import pytest
from support.sweeps import stamps

import hpmkd
from hpmkd.cli.main import main
from hpmkd.config.programme import FILE
from hpmkd.errors import ConfigMismatch, EnvironmentProblem, UsageError
from hpmkd.log import log
from hpmkd.programme import run as running

SMALL = "{data: {train_images: 100}, fit: {teacher_epochs: 1, student_epochs: 1}, runs: 1, resources: {device: cpu}}"


@pytest.fixture
def programme(tmp_path: Path, cache_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """`--mode both`: two sweeps that share a teacher."""
    monkeypatch.chdir(tmp_path)
    modes = tmp_path / "tune_configs"
    modes.mkdir()
    for name, baselines in (("one", "Direct, HPM-KD-noChain-noMultiTeacher-noAdaptive"), ("two", "HPM-KD-noAdaptive")):
        text = f"datasets: [Digits]\nbaselines: [{baselines}]\n"
        (modes / f"{name}.yaml").write_text(text + f"data: {{cache_dir: {cache_dir}}}\n")
    (modes / "both.yaml").write_text(f"programme: [one, two]\ntitle: Both\nsettings: {SMALL}\n")
    return tmp_path / "results" / "both"


def run(*words: str) -> int:
    return main(["run", *words])


def test_nothing_is_written_by_a_dry_run(programme: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--mode", "both", "-n") == 0
    out = capsys.readouterr().out
    assert "2 modes" in out
    assert f"hpmkd run --mode one -o {programme / 'one'} -n, with the same settings" in out
    assert not programme.exists()


def test_what_is_wrong_with_any_mode_is_told_before_the_first(
    programme: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    modes = programme.parent.parent / "tune_configs"
    (modes / "two.yaml").write_text("datasets: [Digits]\nbaselines: [Indirect]\n")
    assert run("--mode", "both") == 2
    assert "mode two: " in capsys.readouterr().err
    data = f"data: {{dir: nowhere, download: false, cache_dir: {programme.parent}}}"
    (modes / "two.yaml").write_text(f"datasets: [MNIST]\nbaselines: [Direct]\n{data}\n")
    assert run("--mode", "both") == 3
    assert "mode two: " in capsys.readouterr().err
    data = f"data: {{train_images: 60, cache_dir: {programme.parent}}}"
    (modes / "two.yaml").write_text(f"datasets: [Digits@exp50]\nbaselines: [Direct]\n{data}\n")
    assert run("--mode", "both") == 2
    assert "mode two: datasets: Digits@exp50: exp50 leaves a class without an image" in capsys.readouterr().err
    assert not list(programme.glob("*/models"))
    (modes / "two.yaml").write_text("programme: [one]\n")
    assert run("--mode", "both") == 2
    assert "two is a programme itself" in capsys.readouterr().err


def test_a_mode_that_is_not_there_names_the_programme_and_files_are_found_beside_it(
    programme: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    modes = programme.parent.parent / "tune_configs"
    path = modes / "several.yaml"
    path.write_text(f"programme: [one, nosuchmode]\nsettings: {SMALL}\n")
    assert run("--mode", str(path)) == 2
    assert f"{path}: no config named 'nosuchmode'" in capsys.readouterr().err
    path.write_text(f"programme: [./one.yaml, two.yaml]\nsettings: {SMALL}\n")
    elsewhere = programme.parent.parent / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    assert run("--mode", str(path), "-n") == 0
    assert "2 modes" in capsys.readouterr().out


@pytest.mark.parametrize(
    "flags", [["--baselines", "Direct"], ["--pairs", "{}"], ["--data.imbalance", "exp10"], ["--ratios", "[2]"]]
)
def test_what_makes_an_experiment_is_its_modes_own(
    flags: list[str], programme: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("--mode", "both", *flags) == 2
    assert "not for a programme" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.usefixtures("small_ray")
def test_stopped_between_two_modes_it_continues_there(
    programme: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    inner, asked = running.train, []

    def stopped(request: Any, config: Any, output: Any, stop: Any) -> int:
        asked.append(output.root.name)
        if output.root.name == "two":
            signal.raise_signal(signal.SIGTERM)
        return inner(request, config, output, stop)

    monkeypatch.setattr(running, "train", stopped)
    assert run("--mode", "both") == 143
    assert f"continue with: hpmkd run --restore {programme}" in capsys.readouterr().err
    assert asked == ["one", "two"]
    assert main(["status", str(programme)]) == 0
    out = capsys.readouterr().out
    assert "not started" in out
    assert f"continue with: hpmkd run --restore {programme}" in out
    assert main(["verify", str(programme)]) == 1
    assert f"{programme / 'two'}: not started" in capsys.readouterr().out
    before = stamps(programme / "one")
    monkeypatch.undo()
    monkeypatch.chdir("/")  # whatever was relative is known
    assert run("--restore", str(programme)) == 0
    out = capsys.readouterr().out
    assert "teacher Digits: from the shared memory" in out or "shared memory" in out
    assert f"a page on all of them, with links to theirs: {programme / 'report.html'}" in out
    assert stamps(programme / "one") == before
    assert "student_Digits_HPM-KD-noAdaptive_run1.pt" in stamps(programme / "two")
    page = (programme / "report.html").read_text()
    assert "<h1>Both</h1>" in page
    assert all((programme / name / "report.html").exists() for name in ("one", "two"))
    for command in (["verify"], ["measure"], ["report", "-q"], ["run", "--restore"], ["run", "-n", "--restore"]):
        assert main([*command, str(programme)]) == 0
    told = capsys.readouterr().out
    assert "0 to train" in told
    assert stamps(programme / "one") == before
    for command in ("verify", "measure"):
        assert main([command, str(programme), "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["sweeps"].keys() == {"one", "two"}
    _others(programme)


def _others(programme: Path) -> None:
    """The same folder for something else."""
    modes = programme.parent.parent / "tune_configs"
    (modes / "both.yaml").write_text(f"programme: [two, one]\nsettings: {SMALL}\n")
    with pytest.raises(ConfigMismatch, match="the same in another order"):
        hpmkd.run_sweep(modes / "both.yaml", programme)
    (modes / "both.yaml").write_text(f"programme: [one]\nsettings: {SMALL}\n")
    with pytest.raises(ConfigMismatch, match="without two"):
        hpmkd.run_sweep(modes / "both.yaml", programme)
    with pytest.raises(UsageError, match="the folder of one sweep"):
        hpmkd.run_sweep(modes / "both.yaml", programme / "one")
    with pytest.raises(UsageError, match="a programme of several"):
        hpmkd.run_sweep("quick", programme)


@pytest.mark.parametrize(("codes", "code", "tried"), [((1, 0), 1, 2), ((3, 0), 3, 1), ((0, 0), 0, 2)])
def test_what_a_mode_that_fails_means_for_the_others(
    codes: tuple[int, int],
    code: int,
    tried: int,
    programme: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Models that fail are no reason to leave out the next mode; a machine that cannot go on is."""
    given = iter(codes)
    asked: list[str] = []

    def train(request: Any, config: Any, output: Any, stop: Any) -> int:
        asked.append(output.root.name)
        return next(given)

    monkeypatch.setattr(running, "train", train)
    monkeypatch.setattr("hpmkd.programme.index.write_index", lambda root: root / "report.html")
    assert run("--mode", "both") == code
    assert len(asked) == tried
    error = capsys.readouterr().err
    assert ("two was not tried" in error) == (code == 3)
    assert ("models of one were not trained" in error) == (code == 1)
    assert (programme / FILE).exists()


def test_an_error_of_one_mode_names_it(programme: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def train(*given: Any) -> int:
        raise EnvironmentProblem("the disk", expected="space", found="none", todo="make some")

    monkeypatch.setattr(running, "train", train)
    with pytest.raises(EnvironmentProblem, match="mode one: the disk") as caught:
        hpmkd.run_sweep("both")
    assert caught.value.todo == "make some"
    log.info("")  # the logger is as before
