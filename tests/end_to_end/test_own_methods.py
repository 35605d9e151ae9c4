"""A sweep with a method from the user's own file: the docs' example, trained from a copy, and continued without it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from support.own_methods import example
from support.sweeps import restore, stamps, start, trained_again_without

from hpmkd.cli.main import main

pytestmark = pytest.mark.usefixtures("small_ray")
# Whoever imports it leaves a trace.
TRACE = "\nimport pathlib\npathlib.Path(__file__).with_suffix('.imported').touch()\n"


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, cache_dir: Path) -> Path:
    """An output, and beside it the user's file."""
    folder = tmp_path_factory.mktemp("method")
    (folder / "mine").mkdir()
    (folder / "mine/directions.py").write_text(example() + TRACE)
    assert start(folder / "out", cache_dir, *flags(folder)) == 0
    return folder


@pytest.fixture
def both(finished: Path, tmp_path: Path) -> Path:
    """Copies of both that a test may change."""
    return Path(shutil.copytree(finished, tmp_path / "both"))


def flags(folder: Path) -> list[str]:
    place = f"{folder / 'mine/directions.py'}:Directions"
    return ["--baselines", "Direct", place, f"{place}-squared-alone", "--directions.beta", "3"]


def test_the_recipe_says_which_method_it_was(finished: Path) -> None:
    recipe = torch.load(finished / "out/models/student_Digits_Directions_run1.pt")["metadata"]["recipe"]
    assert (recipe["method"], recipe["directions.beta"], recipe["kd.alpha"]) == ("Directions", 3, 0.9)
    other = torch.load(finished / "out/models/student_Digits_Directions-alone-squared_run1.pt")["metadata"]["recipe"]
    assert (other["directions.squared"], "kd.alpha" in other) == (True, False)
    (copy,) = (path for path in (finished / "out/methods").iterdir() if path.is_dir())
    assert recipe["method.source"].startswith(copy.name)
    assert (copy / "directions.py").read_text() == example() + TRACE


def test_commands_that_read_import_nothing(both: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for trace in both.rglob("*.imported"):
        trace.unlink()
    out = str(both / "out")
    for command in (["status", out], ["verify", out], ["report", out], ["measure", out]):
        assert main(command) == 0, command
    assert list(both.rglob("*.imported")) == []
    assert "Directions-alone-squared" in capsys.readouterr().out


@pytest.mark.slow
def test_a_deleted_model_is_trained_again_alone_without_the_users_file(both: Path) -> None:
    """From the copy, in another place."""
    trained_again_without(both, "student_Digits_Directions_run1.pt")


@pytest.mark.slow
def test_a_changed_method_is_another_one(both: Path, cache_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its models alone are trained again, and only on demand."""
    file = both / "mine/directions.py"
    before = stamps(both / "out")
    assert start(both / "out", cache_dir, *flags(both)) == 0  # elsewhere, and yet the same
    file.write_text(file.read_text() + "\n# changed\n")
    assert start(both / "out", cache_dir, *flags(both)) == 4
    assert "`method.source` (the method's source: its file, or one that it imports)" in capsys.readouterr().err
    assert stamps(both / "out") == before
    assert start(both / "out", cache_dir, *flags(both), "--force") == 0
    after = stamps(both / "out")
    assert {name for name in after if after[name] != before[name]} == {name for name in before if "Directions" in name}


@pytest.mark.slow
def test_one_that_cannot_be_trained_leaves_nothing(
    tmp_path: Path, cache_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """In a dry run as in a start: the line is named, no plan stays."""
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/directions.py").write_text(example().replace("ours.flatten(1)", "ours.flatten(2)"))
    for more in (["-n"], []):
        assert start(tmp_path / "out", cache_dir, *flags(tmp_path), *more) == 2
        said = capsys.readouterr().err
        assert "(directions.py, line " in said
        assert "Directions, lenet5 taught by lenet5, on Digits" in said
    assert not (tmp_path / "out/sweep.yaml").exists()
    assert not list((tmp_path / "out").glob("models/*")) if (tmp_path / "out").exists() else True


@pytest.mark.slow
def test_what_was_tried_is_not_tried_again(both: Path) -> None:
    tried = both / "out/methods/tried.json"
    assert len(json.loads(tried.read_text())) == 2
    before = tried.stat().st_mtime_ns
    (both / "out/models/student_Digits_Directions_run1.pt").unlink()
    assert restore(both / "out") == 0
    assert tried.stat().st_mtime_ns == before
