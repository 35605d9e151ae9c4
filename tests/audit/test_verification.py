"""`hpmkd verify`: what it finds, and that it changes nothing."""

from __future__ import annotations

import errno
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from support.sweeps import everything, flip

from hpmkd.cli.main import main
from hpmkd.store import measurement, result_file
from hpmkd.store.result_file import commit
from hpmkd.store.sidecar import Header, file_hash, sidecar_path, write_sidecar

TEACHER, ASSISTANT, STUDENT = "teacher_Digits", "assistant_Digits_TAKD", "student_Digits_TAKD_run1"


Run = Callable[..., tuple[int, dict[str, Any]]]


@pytest.fixture
def verify(out: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """`verify --json` on the copy, after which nothing has changed."""

    def go(*more: str) -> tuple[int, dict[str, Any]]:
        before = everything(out)
        capsys.readouterr()
        code = main(["verify", str(out), "--json", *more])
        assert everything(out) == before
        return code, json.loads(capsys.readouterr().out)

    return go


def states(said: dict[str, Any]) -> dict[str, str]:
    """Files that are not good, with their problem."""
    return {row["file"]: f"{row['state']}: {row['problem']}" for row in said["files"] if row["state"] != "good"}


def test_all_good_and_measured_again(out: Path, verify: Run) -> None:
    code, said = verify("--evaluate")
    assert code == 0
    assert said["counts"] == {"good": 5}
    assert said["plan"]
    for row in said["files"]:
        assert row["measured_pct"] == (None if row["file"].startswith("search") else row["accuracy_pct"])
        assert row["notes"] == []


def test_a_wrong_accuracy_is_found_by_measuring(out: Path, verify: Run) -> None:
    """Written by hpmkd itself with another number: only the test images can tell."""
    path = out / "models" / f"{STUDENT}.pt"
    header, state = result_file.load_weights(path)
    commit(path, state, 99.99, header.train_time, header.metadata)
    assert verify()[0] == 0
    code, said = verify("--evaluate")
    assert code == 1
    assert states(said) == {
        f"{STUDENT}.pt": f"damaged: measured {header.accuracy:.2f}%, the file says 99.99%",
    }


@pytest.mark.parametrize("sidecars", [True, False])
def test_every_kind_of_fault_in_one_output(out: Path, verify: Run, sidecars: bool) -> None:
    models = out / "models"
    if not sidecars:
        for path in models.glob("*.pt.json"):
            path.unlink()
    flip(models / f"{ASSISTANT}.pt")
    (models / f"{STUDENT}.pt").unlink()
    (models / "search_Digits.json").write_text("{}")
    (models / "student_Digits_TraditionalKD-adaptive_run1.pt").unlink()
    (models / "student_Digits_TraditionalKD-adaptive_run1.pt").mkdir()
    (models / "student_Digits_Old_run1.pt").write_bytes((models / f"{TEACHER}.pt").read_bytes())
    code, said = verify()
    assert code == 1
    found = states(said)
    assert found.pop(f"{ASSISTANT}.pt").startswith("damaged: ")
    assert found == {
        f"{STUDENT}.pt": "missing: None",
        "search_Digits.json": "damaged: other content, expected a search written by hpmkd",
        "student_Digits_TraditionalKD-adaptive_run1.pt": "damaged: a folder, expected a model file that can be read",
        "student_Digits_Old_run1.pt": f"damaged: holds another model: {TEACHER}",
    }


def test_other_weights_of_a_parent(out: Path, verify: Run) -> None:
    path = out / "models" / f"{TEACHER}.pt"
    header, state = result_file.load_weights(path)
    commit(path, {name: value + 1 for name, value in state.items()}, 1.0, 1.0, header.metadata)
    code, said = verify()
    assert code == 1
    children = (f"{ASSISTANT}.pt", "search_Digits.json", "student_Digits_TraditionalKD-adaptive_run1.pt")
    wanted = dict.fromkeys(children, f"stale: {TEACHER}.pt was trained again and has other weights")
    wanted[f"{STUDENT}.pt"] = f"stale: trained from {ASSISTANT}.pt, which is stale"
    assert states(said) == wanted


def test_other_settings_than_the_plans(out: Path, verify: Run) -> None:
    text = (out / "sweep.yaml").read_text()
    assert "lr: 0.001" in text
    (out / "sweep.yaml").write_text(text.replace("lr: 0.001", "lr: 0.002", 1))
    code, said = verify()
    assert code == 1
    assert "`fit.lr` 0.001 -> 0.002" in states(said)[f"{TEACHER}.pt"]


@pytest.mark.parametrize("gone", ["sweep.yaml", "datasets.json"])
def test_without_the_plan(out: Path, verify: Run, gone: str) -> None:
    (out / gone).unlink()
    (out / "models" / f"{TEACHER}.pt").unlink()
    code, said = verify("--evaluate")
    assert code == 0, "what is not planned cannot be missing"
    assert f"no {gone}" in said["remark"]
    (student,) = (row for row in said["files"] if row["file"] == f"{ASSISTANT}.pt")
    assert student["notes"] == [f"cannot be compared with {TEACHER}: there is no good file"]
    assert student["measured_pct"] == student["accuracy_pct"]


@pytest.mark.parametrize("content", [b"", b"runs: [", b"runs: many", b"\xff\xfe"])
def test_with_a_torn_plan(out: Path, verify: Run, content: bytes) -> None:
    (out / "sweep.yaml").write_bytes(content)
    code, said = verify()
    assert code == 1
    assert "cannot be used" in said["remark"]
    assert "sweep.yaml" in said["remark"]
    assert "datasets.json: cannot be read" not in said["remark"]
    assert said["counts"] == {"good": 5}


@pytest.mark.parametrize(
    ("key", "value"), [("train_images", "9"), ("validation_fraction", "0.25"), ("augment", "crop")]
)
def test_a_wrong_digit_in_the_config_that_the_plan_does_not_show(
    out: Path, verify: Run, key: str, value: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The plan is made from what the sweep has noted of its data; what the config says now is another."""
    path = out / "sweep.yaml"
    path.write_text(re.sub(rf"({key}): \S+?(?=[,}}\n])", rf"\1: {value}", path.read_text()))
    code, said = verify()
    assert code == 1
    assert f"data.{key}: {value}" in said["remark"]
    assert main(["status", str(out)]) == 2
    assert "undo the change" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["latency.json", "speedup.json"])
def test_measured_times_are_files_too(out: Path, verify: Run, name: str) -> None:
    path = out / name
    measurement.write(path, {"seconds": 104.5})
    path.write_text(path.read_text().replace("104.5", "404.5"))
    code, said = verify()
    assert code == 1
    assert list(states(said)) == [name]
    assert "does not give its digest" in states(said)[name]


def test_a_recipe_that_does_not_give_the_fingerprint(out: Path, verify: Run) -> None:
    """Found without the plan, from the file and its parents alone."""
    (out / "sweep.yaml").unlink()
    path = out / "models" / f"{STUDENT}.pt"
    header, state = result_file.load_weights(path)
    meta = {**header.metadata, "recipe": {**header.metadata["recipe"], "fit.lr": 0.5}}
    commit(path, state, header.accuracy, 1.0, meta)
    assert states(verify()[1]) == {f"{STUDENT}.pt": "stale: its recipe and parents do not give its fingerprint"}


def test_a_sidecar_that_agrees_with_an_evil_file(out: Path, verify: Run, tmp_path: Path) -> None:
    from support.malicious import write_evil

    path = out / "models" / f"{STUDENT}.pt"
    meta = result_file.check(path).metadata
    write_evil(path, tmp_path / "ran", "zip")
    write_sidecar(path, Header(file_hash(path), path.stat().st_size, 99.0, 1.0, "2026-01-01", meta))
    assert "damaged" in states(verify()[1])[f"{STUDENT}.pt"]
    assert not (tmp_path / "ran").exists()


def test_a_sidecar_that_claims_another_accuracy(out: Path, verify: Run) -> None:
    path = out / "models" / f"{STUDENT}.pt"
    header = result_file.check(path)
    write_sidecar(path, Header(header.sha256, header.size, 99.0, 1.0, header.timestamp, header.metadata))
    assert "forged" in states(verify()[1])[f"{STUDENT}.pt"]


def test_notes_are_no_faults(out: Path, verify: Run) -> None:
    sidecar_path(out / "models" / f"{TEACHER}.pt").unlink()
    commit(out / "models" / "mine.pt", {"w": torch.ones(1)}, 1.0, 1.0, {})
    code, said = verify()
    assert code == 0
    notes = {row["file"]: row["notes"] for row in said["files"] if row["notes"]}
    assert notes["mine.pt"] == ["was not saved by a sweep", "not in the plan"]
    assert "no sidecar" in notes[f"{TEACHER}.pt"][0]


def test_a_disk_that_does_not_answer(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target, inner = out / "models" / f"{STUDENT}.pt", Path.read_bytes

    def read(path: Path) -> bytes:
        if path == target:
            raise OSError(errno.EIO, "Input/output error")
        return inner(path)

    before = everything(out)
    monkeypatch.setattr(Path, "read_bytes", read)
    assert main(["verify", str(out)]) == 3
    assert main(["show", str(target)]) == 3
    monkeypatch.undo()
    assert everything(out) == before


def test_a_stray_file_hides_no_planned_one(out: Path, verify: Run) -> None:
    """Two files whose names differ in the ending alone."""
    search = out / "models" / "search_Digits.json"
    search.write_text("{}")
    stray = search.with_suffix(".pt")
    shutil.copy(out / "models" / f"{TEACHER}.pt", stray)
    code, said = verify()
    assert code == 1
    assert states(said)["search_Digits.json"].startswith("damaged")
    assert "search_Digits.pt" in states(said)
