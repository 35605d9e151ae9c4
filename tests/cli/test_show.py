"""`hpmkd show`: what it says of a file, good or not, and that it changes nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from support.sweeps import everything, flip

from hpmkd.cli.main import main
from hpmkd.store.result_file import commit, load_weights

TEACHER, ASSISTANT, STUDENT = "teacher_Digits", "assistant_Digits_TAKD", "student_Digits_TAKD_run1"


def show(path: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, dict[str, Any]]:
    capsys.readouterr()
    before = everything(path.parent)
    code = main(["show", str(path), "--json"])
    assert everything(path.parent) == before
    return code, json.loads(capsys.readouterr().out)


def test_show_a_good_model(out: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    path = out / "models" / f"{STUDENT}.pt"
    code, said = show(path, capsys)
    assert code == 0
    saved = torch.load(path)
    assert (said["state"], said["accuracy_pct"]) == ("good", saved["accuracy"])
    assert said["parameters"] == sum(value.numel() for value in saved["model_state_dict"].values())
    assert said["recipe"] == saved["metadata"]["recipe"]
    assert said["versions"]["torch"] == torch.__version__
    weights = saved["metadata"]["parents"][ASSISTANT]
    assert said["parents"] == [{"key": ASSISTANT, "weights_sha256": weights, "now": "the same"}]
    assert main(["show", str(path)]) == 0
    text = capsys.readouterr().out
    assert "fit.lr" in text
    exact = saved["metadata"]["val_accuracy"]
    assert said["metadata"]["val_accuracy"] == exact
    assert f"{exact:.6g}" in text
    assert exact == round(exact, 4) or str(exact) not in text
    assert f"{ASSISTANT}, weights {weights[:12]}, now: the same" in text


def test_show_says_how_images_are_normalised(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = out / "models" / f"{TEACHER}.pt"
    header, state = load_weights(path)
    moments = {"mean": [0.123456789, 1 / 3], "std": [0.25, 0.5]}
    commit(path, state, 1.0, 1.0, {**header.metadata, "normalisation": moments, "classes": ["cat", "dog"]})
    assert main(["show", str(path)]) == 0
    lines = [line.strip().split(maxsplit=1) for line in capsys.readouterr().out.splitlines()]
    assert ["mean", "0.123457, 0.333333 (by channel, of pixels in [0, 1])"] in lines
    assert ["std", "0.25, 0.5 (by channel, of pixels in [0, 1])"] in lines
    assert ["classes", '["cat", "dog"]'] in lines


def test_show_of_a_sidecar_names_the_model(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = out / "models" / f"{TEACHER}.pt"
    assert main(["show", f"{path}.json"]) == 2
    error = capsys.readouterr().err
    assert f"name {path}" in error
    assert "search" not in error


def test_show_a_choice(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, said = show(out / "models" / "search_Digits.json", capsys)
    assert code == 0
    assert said["metadata"]["chosen"]["kd.alpha"] == 0.5


def test_show_what_is_wrong(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    teacher, student = out / "models" / f"{TEACHER}.pt", out / "models" / f"{ASSISTANT}.pt"
    header, state = load_weights(teacher)
    commit(teacher, {name: value + 1 for name, value in state.items()}, 1.0, 1.0, header.metadata)
    code, said = show(student, capsys)
    assert (code, said["state"]) == (1, "stale")
    assert said["parents"][0]["now"] == "other weights"
    flip(student)
    code, said = show(student, capsys)
    assert (code, said["state"]) == (1, "damaged")
    assert "wrong CRC" in said["problem"]
    assert said["sidecar"]["key"] == ASSISTANT
    assert main(["show", str(student)]) == 1
    assert "damaged" in capsys.readouterr().out


def test_show_counts_trained_parameters_only(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    commit(tmp_path / "x.pt", torch.nn.BatchNorm2d(3).state_dict(), 1.0, 1.0, {"note": "[bold]"})
    said = show(tmp_path / "x.pt", capsys)[1]
    assert (said["parameters"], said["values"], said["tensors"]) == (6, 13, 5)
    assert main(["show", str(tmp_path / "x.pt")]) == 0
    assert "[bold]" in capsys.readouterr().out


def test_a_folder_is_no_model_and_says_what_to_do(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", str(out)]) == 2
    assert f"hpmkd status {out}" in capsys.readouterr().err
