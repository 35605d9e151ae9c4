"""A teacher that the user brings: measured before any student, hashed into the lineage, and never trained."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from support.sweeps import flip, restore, stamps, start, weights

from hpmkd.cli.main import main

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("small_ray")]
NETWORK = [
    "--teacher.arch",
    "lenet5",
    "--teacher.channels",
    "[4, 6, 20]",
    "--baselines",
    "Direct",
    "TraditionalKD",
    "AT",
]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, cache_dir: Path) -> Path:
    """A sweep that trained a teacher, and one that was given it."""
    folder = tmp_path_factory.mktemp("given")
    assert start(folder / "first", cache_dir, *NETWORK, "--baselines", "Direct", "--teacher-epochs", "4") == 0
    trained = torch.load(folder / "first/models/teacher_Digits.pt")["model_state_dict"]
    torch.save({"state_dict": {f"module.{name}": one for name, one in trained.items()}}, folder / "teacher.pth")
    assert start(folder / "out", cache_dir, *given(folder)) == 0
    return folder


@pytest.fixture
def both(finished: Path, tmp_path: Path) -> Path:
    """A copy that a test may change."""
    return Path(shutil.copytree(finished, tmp_path / "both"))


def given(folder: Path) -> list[str]:
    return [*NETWORK, "--teacher.weights", str(folder / "teacher.pth")]


def test_it_is_measured_and_not_trained(finished: Path) -> None:
    first, second = (torch.load(finished / name / "models/teacher_Digits.pt") for name in ("first", "out"))
    assert second["accuracy"] == first["accuracy"]
    assert second["metadata"]["val_accuracy"] == first["metadata"]["val_accuracy"]
    assert second["train_time"] == 0.0
    assert second["metadata"]["weights_sha256"] == first["metadata"]["weights_sha256"]
    assert second["metadata"]["recipe"]["model.weights"] == second["metadata"]["weights_sha256"]
    student = torch.load(finished / "out/models/student_Digits_AT_run1.pt")["metadata"]
    assert student["parents"]["teacher_Digits"] == second["metadata"]["weights_sha256"]


def test_commands_that_read_know_it(both: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (both / "teacher.pth").unlink()
    for command in ("status", "verify", "report", "measure"):
        assert main([command, str(both / "out")]) == 0, command
    assert "stale" not in capsys.readouterr().out.replace("┃ stale", "")


def test_a_damaged_teacher_comes_from_the_copy(both: Path) -> None:
    out = both / "out"
    (both / "teacher.pth").unlink()
    before, times = weights(out), stamps(out)
    flip(out / "models/teacher_Digits.pt")
    assert restore(out) == 0
    assert weights(out) == before
    assert {name for name, time in stamps(out).items() if time != times[name]} == {"teacher_Digits.pt"}


def test_other_weights_are_another_teacher(both: Path, cache_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    state = torch.load(both / "teacher.pth")["state_dict"]
    state["module.fc2.bias"] += 1
    torch.save(state, both / "teacher.pth")
    before = stamps(both / "out")
    assert start(both / "out", cache_dir, *given(both)) == 4
    assert "model.weights" in capsys.readouterr().err
    assert stamps(both / "out") == before


def test_images_are_normalised_as_the_teacher_wants_them(
    both: Path, cache_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With those of its own training it is the same teacher; with others it sees other images."""
    out = both / "out"
    own = torch.load(both / "first/models/teacher_Digits.pt")["metadata"]["normalisation"]
    found = {}
    for name, moments in (("same", own), ("other", {"mean": [0.9], "std": [0.05]})):
        said = ["--teacher.normalisation", f"{{mean: {moments['mean']}, std: {moments['std']}}}"]
        assert start(both / name, cache_dir, *given(both), *said) == 0
        found[name] = torch.load(both / name / "models/teacher_Digits.pt")
        assert found[name]["metadata"]["normalisation"]["mean"] == pytest.approx(moments["mean"], rel=1e-5)
        assert main(["measure", str(both / name)]) == 0
        assert main(["verify", str(both / name), "--evaluate"]) == 0
    assert found["same"]["accuracy"] == torch.load(out / "models/teacher_Digits.pt")["accuracy"]
    assert found["other"]["accuracy"] != found["same"]["accuracy"]
    assert weights(both / "same")["student_Digits_Direct_run1.pt"] == weights(out)["student_Digits_Direct_run1.pt"]
    changed = weights(both / "other")["student_Digits_AT_run1.pt"]
    assert changed != weights(both / "same")["student_Digits_AT_run1.pt"]
    assert "as teacher.normalisation says" in capsys.readouterr().err


def test_methods_with_several_teachers_and_chains(both: Path, cache_dir: Path) -> None:
    """The given one is the first; others are trained, as are assistants."""
    more = ["--baselines", "HPM-KD", "KD-Ensemble", "KD-Budget", "TAKD", "--kd_budget.students", "1",
            "--hpmkd.teachers", "2", "--hpmkd.chain_length", "1"]  # fmt: skip
    assert start(both / "more", cache_dir, *given(both), *more) == 0
    made = torch.load(both / "more/models/teacher_Digits_2.pt")["metadata"]["recipe"]
    assert "model.weights" not in made
    assert made["fit.epochs"] == 2


MISTAKES = [
    (["--teacher.weights", "MINE/missing.pth"], "no such file"),
    (["--teacher.weights", "MINE/teacher.pth", "--teacher.channels", "[4, 6, 21]"], "fc1.weight is (20, 96)"),
    (["--teacher.weights", "pretrained"], "a network of torchvision or timm"),
    (
        ["--teacher.weights", "MINE/teacher.pth", "--teacher.normalisation", "{mean: [0.1, 0.2], std: [1.0, 1.0]}"],
        "1 numbers",
    ),
    (["--teacher.normalisation", "{mean: [0.1], std: [1.0]}"], "only of a teacher whose weights are given"),
    (["--teacher.weights", "MINE/teacher.pth", "--teacher.normalisation", "{mean: [0.1], std: [0.0]}"], "std"),
]


@pytest.mark.parametrize(("more", "said"), MISTAKES, ids=[str(number) for number in range(len(MISTAKES))])
@pytest.mark.parametrize("dry", [False, True])
def test_mistakes(
    more: list[str], said: str, dry: bool, both: Path, cache_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [word.replace("MINE", str(both)) for word in more]
    assert start(both / "wrong", cache_dir, *NETWORK, *words, *["-n"] * dry) == 2
    shown = capsys.readouterr().err
    assert said in shown
    assert "what to do: " in shown
    assert not (both / "wrong/sweep.yaml").exists()
