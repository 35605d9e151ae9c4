"""A sweep with a network from the user's own file: trained from a copy, read without being imported."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from support.own_networks import BLOCKS, NETS, write
from support.sweeps import stamps, start, trained_again_without, weights

from hpmkd.cli.main import main

pytestmark = pytest.mark.usefixtures("small_ray")
# Whoever imports it leaves a trace.
TRACED = NETS + "\nimport pathlib\npathlib.Path(__file__).with_suffix('.imported').touch()\n"


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, cache_dir: Path) -> Path:
    """An output, and beside it the user's file."""
    folder = tmp_path_factory.mktemp("own")
    write(folder / "mine", TRACED)
    assert start(folder / "out", cache_dir, *flags(folder)) == 0
    return folder


@pytest.fixture
def both(finished: Path, tmp_path: Path) -> Path:
    """Copies of both that a test may change."""
    return Path(shutil.copytree(finished, tmp_path / "both"))


def flags(folder: Path) -> list[str]:
    arch = f"{folder / 'mine/nets.py'}:Tiny"
    return ["--student.arch", arch, "--student.args", "{width: 6}", "--baselines", "Direct", "TraditionalKD", "AT"]


def test_the_recipe_says_which_network_it_was(finished: Path) -> None:
    about = torch.load(finished / "out/models/student_Digits_AT_run1.pt")["metadata"]
    recipe, shape = about["recipe"], about["architecture"]
    assert (recipe["model.arch"], recipe["model.arguments"]) == ("nets.py:Tiny", '{"width": 6}')
    assert recipe["model.taps"] == ["stage1", "stage2"]
    (copy,) = (finished / "out/networks").iterdir()
    assert recipe["model.source"].startswith(copy.name)
    assert shape["counts"][0] == sum(
        value.numel()
        for name, value in torch.load(finished / "out/models/student_Digits_AT_run1.pt")["model_state_dict"].items()
        if "running" not in name and "num_batches" not in name
    )
    assert (copy / "parts/blocks.py").read_text() == BLOCKS


def test_commands_that_read_import_nothing(both: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for trace in both.rglob("*.imported"):
        trace.unlink()
    out = str(both / "out")
    student = f"{out}/models/student_Digits_AT_run1.pt"
    for command in (["status", out], ["verify", out], ["report", out], ["show", student], ["measure", out]):
        assert main(command) == 0, command
    assert list(both.rglob("*.imported")) == []
    assert "nets.py:Tiny" in capsys.readouterr().out


@pytest.mark.slow
def test_a_deleted_model_is_trained_again_alone_without_the_users_file(both: Path) -> None:
    """From the copy, in another place."""
    trained_again_without(both, "student_Digits_AT_run1.pt")


@pytest.mark.slow
@pytest.mark.parametrize("changed", ["nets.py", "parts/blocks.py"])
def test_a_changed_network_is_another_one(
    changed: str, both: Path, cache_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = both / "mine" / changed
    path.write_text(path.read_text() + "\n# changed\n")
    before = stamps(both / "out")
    assert start(both / "out", cache_dir, *flags(both)) == 4
    assert "`model.source` (the network's source: its file, or one that it imports)" in capsys.readouterr().err
    assert main(["status", str(both / "out")]) == 0
    assert stamps(both / "out") == before
    assert "stale" not in capsys.readouterr().out.replace("┃ stale", "")
    # The copy is a file as any other.
    (copy,) = (both / "out/networks").glob("*/nets.py")
    again = flags(both)
    again[1] = f"{copy}:Tiny"
    assert start(both / "out", cache_dir, *again, "--force") == 0
    assert stamps(both / "out") == before


@pytest.mark.slow
def test_exports_need_no_user_file(both: Path) -> None:
    shutil.rmtree(both / "mine")
    student = both / "out/models/student_Digits_AT_run1.pt"
    assert main(["export", str(student), "--to", "pt2"]) == 0
    program = torch.export.load(both / "out/exports/student_Digits_AT_run1.pt2").module()
    assert program(torch.zeros(3, 1, 28, 28)).shape == (3, 10)


def test_an_export_without_the_source_says_what_is_missing(
    both: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    alone = shutil.copy(both / "out/models/student_Digits_AT_run1.pt", tmp_path / "alone.pt")
    assert main(["export", str(alone), "--to", "pt2"]) == 2
    said = capsys.readouterr().err
    assert "its network nets.py:Tiny cannot be made here" in said
    assert "a copy of its source in" in said


MISTAKES = [
    (["--student.arch", "MINE/nets.py:Tinny"], 2, "no Tinny"),
    (["--student.arch", "MINE/missing.py:Tiny"], 2, "no such file"),
    (["--student.arch", "no_such_module:Tiny"], 2, "no module no_such_module"),
    (["--student.arch", "MINE/nets.py:Tiny", "--student.args", "{depth: 3}"], 2, "depth"),
    (["--student.arch", "MINE/nets.py:Tiny", "--student.channels", "[1, 2]"], 2, "student.args"),
    (["--student.arch", "MINE/nets.py:Tiny", "--student.ratio", "4"], 2, "student.ratio"),
    (["--student.arch", "lenet5_student", "--student.args", "{width: 4}"], 2, "student.args: only of a network"),
    (["--student.arch", "MINE/nets.py:Tiny", "--teacher.arch", "MINE/nets.py:Tiny", "--baselines", "TAKD"], 2, "chain"),
    (["--student.arch", "MINE/flat.py:Flat", "--baselines", "FitNets"], 2, "FitNets compares feature maps"),
    (["--student.arch", "MINE/exits.py:Tiny"], 2, "has ended"),
    (["--student.arch", "torchvision:resnet19"], 2, "resnet19"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("given", "code", "said"), MISTAKES, ids=[str(number) for number in range(len(MISTAKES))])
@pytest.mark.parametrize("dry", [False, True])
def test_mistakes(
    given: list[str], code: int, said: str, dry: bool, tmp_path: Path, cache_dir: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    write(tmp_path / "mine")
    (tmp_path / "mine/exits.py").write_text("raise SystemExit('no')\n")
    (tmp_path / "mine/flat.py").write_text(
        "from torch import nn\n"
        "def Flat(num_classes):\n    return nn.Sequential(nn.Flatten(), nn.Linear(784, num_classes))\n"
    )
    words = [word.replace("MINE", str(tmp_path / "mine")) for word in given]
    assert start(tmp_path / "out", cache_dir, *words, *["-n"] * dry) == code
    shown = capsys.readouterr().err
    assert said in shown
    assert "what to do: " in shown
    assert not (tmp_path / "out/sweep.yaml").exists(), "nothing could be continued with it"


@pytest.mark.slow
def test_two_networks_of_ones_own_in_pairs(tmp_path: Path, cache_dir: Path) -> None:
    write(tmp_path / "mine")
    place = f"{tmp_path / 'mine/nets.py'}:Tiny"
    pairs = {name: {"student": {"arch": place, "args": {"width": width}}} for name, width in (("a", 4), ("b", 8))}
    teacher = ["--teacher.arch", place, "--teacher.args", "{width: 10}"]
    given = [*teacher, "--pairs", json.dumps(pairs), "--baselines", "Direct", "TraditionalKD", "--teacher-epochs", "1"]
    assert start(tmp_path / "out", cache_dir, *given, "--student-epochs", "1") == 0
    assert "teacher_Digits+nets-Tiny-width-10.pt" in weights(tmp_path / "out")
    assert len(weights(tmp_path / "out")) == 5
