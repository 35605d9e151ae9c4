"""`hpmkd measure`: of any sweep, from what is kept or from the models again; only what is missing is done."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from support import sweeps
from support.builders import make_config
from support.datasets import image_folder
from support.sweeps import everything, flip

import hpmkd
from hpmkd.cli.main import main
from hpmkd.config.load import to_yaml
from hpmkd.config.specs import spec_to_json
from hpmkd.data import cache
from hpmkd.files import commit_bytes, commit_json
from hpmkd.plan.catalog import baselines_of
from hpmkd.plan.planner import expand
from hpmkd.store import predictions
from hpmkd.store.output_dir import OutputDir
from hpmkd.store.result_file import commit, load_weights
from hpmkd.training.trial import run_job

TEACHER, STUDENT = "teacher_Digits", "student_Digits_TAKD_run1"


def measure(out: Path, capsys: pytest.CaptureFixture[str], *more: str) -> tuple[int, dict[str, Any]]:
    capsys.readouterr()
    code = main(["measure", str(out), "--json", *more])
    return code, json.loads(capsys.readouterr().out)


def answers(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (out / "predictions").glob("*.npy")}


def test_of_a_sweep_that_kept_everything(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, said = measure(out, capsys)
    assert code == 0
    assert (said["answered_now"], said["problems"]) == ([], [])
    rows = {row["file"]: row for row in said["models"]}
    assert set(rows) == {path.name for path in (out / "models").glob("*.pt")}
    assert all(row["nll"] > 0 for row in rows.values())
    assert rows[f"{STUDENT}.pt"]["agreement_with"] == TEACHER
    frame = pd.read_parquet(out / "results.parquet").set_index("file")
    assert frame.loc[f"{STUDENT}.pt", "ece_pct"] == rows[f"{STUDENT}.pt"]["ece_pct"]
    pd.testing.assert_series_equal(frame["nll"], hpmkd.load_results(out).set_index("file")["nll"])
    assert len(pd.read_parquet(out / "measures.parquet")) == len(rows)


def test_a_damaged_model_and_one_that_is_gone_are_said(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (out / "models" / f"{STUDENT}.pt").unlink()
    code, said = measure(out, capsys)
    assert code == 0, "what is there is measured"
    assert f"is not there ({STUDENT})" in said["problems"][0]
    flip(out / "models" / f"{TEACHER}.pt")
    code, said = measure(out, capsys)
    assert code == 1
    assert said["problems"][0].startswith(f"{TEACHER}: damaged and left out: ")
    assert f"hpmkd run --restore {out}" in said["problems"][1]


def test_the_table_fits_a_terminal(
    out: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert main(["measure", str(out)]) == 0
    said = capsys.readouterr().out
    table = [line for line in said.splitlines() if str(out) not in line]
    assert max(map(len, table)) <= 80
    for word in ("macro-F1", "balanced", "Brier", "ECE", "agrees", "TAKD", "TraditionalKD-"):
        assert word in said


def test_answers_that_are_not_there_are_made_again(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Byte for byte those of the training; nothing else in the sweep is touched."""
    before, models = answers(out), everything(out / "models")
    first = measure(out, capsys)[1]["models"]
    shutil.rmtree(out / "predictions")
    code, said = measure(out, capsys)
    assert code == 0
    assert {f"{key}.npy" for key in said["answered_now"]} == set(before)
    assert answers(out) == before
    assert everything(out / "models") == models
    assert said["models"] == first
    stamps = everything(out / "predictions")
    assert measure(out, capsys)[1]["answered_now"] == []
    assert everything(out / "predictions") == stamps, "a second call has nothing to do"


def test_only_what_is_damaged_or_of_other_weights(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = answers(out)
    flip(out / "predictions" / f"{STUDENT}.npy")
    stolen = predictions.read(out / "predictions" / f"{STUDENT}.npy", "x")
    assert stolen is None
    shutil.copy(out / "predictions" / f"{STUDENT}.npy", out / "predictions" / f"{TEACHER}.npy")
    assert sorted(measure(out, capsys)[1]["answered_now"]) == [STUDENT, TEACHER]
    assert answers(out) == before


def test_without_torch_where_nothing_is_missing(out: Path) -> None:
    code = (
        f"from hpmkd.cli.main import main; main(['measure', {str(out)!r}]); import sys; print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "False"


def test_a_model_that_answers_otherwise_than_its_file_says(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its numbers are not taken for those of the model."""
    path = out / "models" / f"{STUDENT}.pt"
    header, state = load_weights(path)
    state["fc2.bias"] += 100 * torch.arange(len(state["fc2.bias"]))
    commit(path, state, header.accuracy, header.train_time, header.metadata)
    code, said = measure(out, capsys)
    assert code == 1
    (problem,) = said["problems"]
    assert problem.startswith(f"{STUDENT}: measured ")
    assert f"the file says {header.accuracy:.2f}%" in problem
    rows = {row["file"]: row["nll"] for row in said["models"]}
    assert rows[f"{STUDENT}.pt"] is None
    assert all(value is not None for name, value in rows.items() if name != f"{STUDENT}.pt")


def test_a_sweep_of_0_1(tmp_path: Path, cache_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old = Path(shutil.copytree(Path(sweeps.__file__).parent / "output_0_1_0", tmp_path / "old"))
    code, said = measure(old, capsys)
    assert code == 0
    networks = {path.stem for path in (old / "models").glob("*.pt")}
    assert set(said["answered_now"]) == networks
    assert all(row["nll"] > 0 for row in said["models"])
    assert (hpmkd.load_results(old)["nll"].notna()).sum() == len(networks)


@pytest.fixture
def two(tmp_path: Path) -> OutputDir:
    """Teacher and student of Digits and of a user's own images, without answers; those images are gone since."""
    source = image_folder(tmp_path / "pets")
    config = make_config(
        tmp_path / "cache", datasets=["Digits", f"Pets={source}"], baselines=["TraditionalKD"],
        data__train_images=None, fit__teacher_epochs=1, fit__student_epochs=1, data__image_size=28,
    )  # fmt: skip
    output, specs = OutputDir(tmp_path / "out"), cache.describe(config)
    commit_bytes(output.config_file, to_yaml(config).encode())
    commit_json(output.datasets_file, [spec_to_json(spec) for spec in specs])
    for job in expand(config, specs, baselines_of(config)):
        list(run_job(job, output, config.data, torch.device("cpu"), keep_predictions=False))
    cache.load.cache_clear()
    shutil.rmtree(source)
    for path in (tmp_path / "cache").glob("Pets*"):
        path.unlink()
    return output


def test_images_that_are_gone_are_named_and_the_rest_is_done(
    two: OutputDir, capsys: pytest.CaptureFixture[str]
) -> None:
    code, said = measure(two.root, capsys)
    assert code == 3
    assert sorted(said["answered_now"]) == ["student_Digits_TraditionalKD_run1", "teacher_Digits"]
    (problem,) = said["problems"]
    assert problem.startswith("2 models of Pets not measured (student_Pets_TraditionalKD_run1, teacher_Pets)")
    assert "what to do" in problem
    rows = {row["file"]: row["nll"] for row in said["models"]}
    assert rows["teacher_Pets.pt"] is None
    assert rows["teacher_Digits.pt"] > 0
    assert main(["measure", str(two.root)]) == 3
    assert "2 models of Pets not measured" in " ".join(capsys.readouterr().out.split())


def test_an_empty_folder_and_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["measure", str(tmp_path / "nothing")]) == 2
    (tmp_path / "models").mkdir()
    assert main(["measure", str(tmp_path)]) == 0
    assert "0 models measured" in capsys.readouterr().out


@pytest.fixture
def grid(tmp_path: Path, cache_dir: Path) -> Path:
    """A finished grid over a setting, before any command has written its tables."""
    config = make_config(
        cache_dir, baselines=["Direct"], vary={"baselines": ["TraditionalKD"], "kd.temperature": [2, 4]},
        runs=1, fit__teacher_epochs=1, fit__student_epochs=1,
    )  # fmt: skip
    output, specs = OutputDir(tmp_path / "grid"), cache.describe(config)
    commit_bytes(output.config_file, to_yaml(config).encode())
    commit_json(output.datasets_file, [spec_to_json(spec) for spec in specs])
    for job in expand(config, specs, baselines_of(config)):
        list(run_job(job, output, config.data, torch.device("cpu")))
    return output.root


def test_the_tables_are_the_same_whichever_command_writes_them(grid: Path) -> None:
    """All columns, those of the plan too, and all values: of the sweep, of its report, and of this command."""
    made = {}
    for command in (["run", "--restore"], ["report"], ["measure"]):
        for name in ("results.parquet", "results.csv"):
            (grid / name).unlink(missing_ok=True)
        assert main([*command, str(grid)]) == 0
        made[command[0]] = (pd.read_parquet(grid / "results.parquet"), (grid / "results.csv").read_text())
    frame, text = made["run"]
    students = frame[frame["role"] == "student"]
    assert set(students["kd.temperature"].dropna()) == {2.0, 4.0}
    assert set(students["teacher"]) == {TEACHER}
    assert frame["training_multiply_adds"].gt(0).any()
    for other, other_text in (made["report"], made["measure"]):
        pd.testing.assert_frame_equal(other, frame)
        assert other_text == text
