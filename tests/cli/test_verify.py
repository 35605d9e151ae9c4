"""`verify`: what it prints, and of folders that are no finished sweep."""

from __future__ import annotations

import json
import math
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from support.builders import make_config, make_spec
from support.sweeps import flip

from hpmkd.cli.main import main
from hpmkd.cli.verify import verify
from hpmkd.config.load import to_yaml
from hpmkd.config.specs import spec_to_json
from hpmkd.errors import UsageError
from hpmkd.files import commit_json
from hpmkd.store import result_file
from hpmkd.store.lock import locked
from hpmkd.store.output_dir import OutputDir
from hpmkd.store.result_file import commit

TEACHER, STUDENT = "teacher_Digits", "student_Digits_TAKD_run1"
SPEC = make_spec()
DATA = {"train_images": SPEC.train_images, "validation_fraction": SPEC.validation_fraction, "augment": SPEC.augment}


def test_a_sweep_without_models_is_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With its plan everything is missing; without one it says how to go on."""
    (tmp_path / "sweep.yaml").write_text(to_yaml(make_config(baselines=["Direct"], runs=1, data=DATA)))
    with pytest.raises(UsageError, match="has no models yet") as caught:
        verify([str(tmp_path)], "hpmkd verify")
    assert f"hpmkd run --restore {tmp_path}" in (caught.value.todo or "")
    commit_json(tmp_path / "datasets.json", [spec_to_json(SPEC)])
    assert verify([str(tmp_path)], "hpmkd verify") == 1
    assert "2 missing" in capsys.readouterr().out


@pytest.mark.parametrize(("name", "found"), [("file", "a file"), ("none", "no such folder"), ("empty", "neither")])
def test_what_is_no_sweep(tmp_path: Path, name: str, found: str) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="no sweep here") as caught:
        verify([str(tmp_path / name)], "hpmkd verify")
    assert caught.value.found == found


@pytest.mark.parametrize("width", [60, 80, 120])
def test_the_table_for_people(
    width: int, out: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Names and headings are whole at any width; what is to be said of a file stands below, in one piece."""
    monkeypatch.setenv("COLUMNS", str(width))
    flip(out / "models" / f"{STUDENT}.pt")
    commit(out / "models" / "[red]mine.pt", {"w": torch.ones(1)}, 1.0, 1.0, {})
    assert main(["verify", str(out), "--evaluate"]) == 1
    text = capsys.readouterr().out
    table, _, below = text.partition("[red]mine.pt: was not saved by a sweep\n")
    joined = re.sub(r"[\s│]|good|damaged|\d+\.\d+", "", table)
    for name in (f"{STUDENT}.pt", "student_Digits_TraditionalKD-adaptive_run1.pt", "[red]mine.pt"):
        assert name in joined
    assert all(word in re.split(r"[\s┃]+", table) for word in ("accuracy", "measured", "%", "MB", "state", "file"))
    assert max(map(len, table.splitlines())) <= width
    assert "…" not in text
    assert f"{STUDENT}.pt: wrong CRC" in below
    assert f"{out}: 5 good, 1 damaged" in below
    assert text.endswith(f"continue with: hpmkd run --restore {out}\n")
    assert "\x1b" not in text, "no colours where there is no terminal"


def continued_with(capsys: pytest.CaptureFixture[str], *command: str) -> str | None:
    """How to continue, by the last line and by JSON, which agree."""
    assert main(["verify", *command]) == main(["verify", *command, "--json"])
    text, brace, told = capsys.readouterr().out.partition("{")
    last, found = text.splitlines()[-1], json.loads(brace + told)["command"]
    assert last.removeprefix("continue with: ") == (last if found is None else found)
    return found


def test_how_to_continue_is_said_where_something_is_left_for_a_sweep(
    out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert continued_with(capsys, str(out)) is None
    (out / "models" / f"{STUDENT}.pt").unlink()
    assert continued_with(capsys, str(out)) == f"hpmkd run --restore {out}"
    with locked(OutputDir(out)):
        assert continued_with(capsys, str(out)) is None, "one is at work"
    (out / "sweep.yaml").unlink()
    assert continued_with(capsys, str(out)) is None, "there is no plan"


def test_what_no_sweep_makes_again_is_not_continued(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A damaged file of nobody's, and one whose accuracy only measuring shows to be wrong."""
    path = out / "models" / f"{STUDENT}.pt"
    header, state = result_file.load_weights(path)
    commit(path, state, 99.99, header.train_time, header.metadata)
    commit(out / "models" / "mine.pt", {"w": torch.ones(1)}, 1.0, 1.0, {})
    flip(out / "models" / "mine.pt")
    assert continued_with(capsys, str(out), "--evaluate") is None
    assert main(["verify", str(out), "--evaluate"]) == 1
    assert "2 damaged" in capsys.readouterr().out


def test_one_remark_on_many_files_is_one_line(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (out / "sweep.yaml").unlink()
    (out / "models" / f"{TEACHER}.pt").unlink()
    assert main(["verify", str(out)]) == 0
    assert f"3 files: cannot be compared with {TEACHER}: there is no good file (" in capsys.readouterr().out


def test_json_of_an_accuracy_that_is_no_number(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    commit(out / "models" / "mine.pt", {"w": torch.ones(1)}, math.nan, math.nan, {})
    (out / "sweep.yaml").unlink()
    for command in (["verify", str(out)], ["show", str(out / "models" / "mine.pt")], ["status", str(out)]):
        main([*command, "--json"])
        said = json.loads(capsys.readouterr().out, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
        assert "mine" in json.dumps(said)


@pytest.mark.parametrize("arguments", [["verify"], ["verify", "nowhere"], ["verify", ".", "--nonsense"], ["show", "x"]])
def test_wrong_usage(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    assert capsys.readouterr().err.startswith("error: ")


@pytest.mark.parametrize("command", ["verify", "show"])
def test_help_has_examples_and_loads_nothing_heavy(command: str) -> None:
    code = f"import sys; from hpmkd.cli.main import main\ntry: main(['{command}', '--help'])\nfinally: "
    code += "print([name for name in ('torch', 'ray', 'pandas') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "examples:" in done.stdout
    assert f"hpmkd {command} results/quick" in done.stdout
    assert done.stdout.splitlines()[-1] == "[]"


def test_verify_and_show_never_load_ray(out: Path) -> None:
    code = "import sys; from hpmkd.cli.main import main\nmain(['verify', sys.argv[1], '--evaluate'])\n"
    code += f"main(['show', sys.argv[1] + '/models/{STUDENT}.pt'])\nassert 'ray' not in sys.modules"
    environment = {**os.environ, "NO_COLOR": "1"}
    done = subprocess.run([sys.executable, "-c", code, str(out)], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    assert "5 good" in done.stdout
