"""`status` on outputs in every state, made by hand."""

from __future__ import annotations

import datetime
import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support.frames import CHOOSE, epoch, make_output, put_model, teacher_only

from hpmkd.audit.status import ModelStatus, ago, read_status
from hpmkd.cli.main import main
from hpmkd.plan.events import Finished
from hpmkd.store.lock import locked
from hpmkd.store.output_dir import trial_folder
from hpmkd.store.progress_log import Recorder
from hpmkd.store.sidecar import sidecar_path


def models(root: Path) -> dict[str, ModelStatus]:
    return {model.key: model for model in read_status(root).models}


def test_a_finished_sweep_has_nothing_left(tmp_path: Path, cache_dir: Path) -> None:
    make_output(tmp_path, cache_dir, lambda job: 90.0, **CHOOSE)
    found = read_status(tmp_path)
    assert found.counts() == {"done": len(found.models)}
    assert (found.sweep, found.owner, found.command) == ("stopped", None, None)
    assert found.models[0].accuracy_pct == 90.0


def test_what_can_start_and_what_waits(tmp_path: Path, cache_dir: Path) -> None:
    make_output(tmp_path, cache_dir, lambda job: None, **CHOOSE)
    found = models(tmp_path)
    assert found["student_Digits_Direct_run1"].state == "ready"
    assert found["student_Digits_AT_run1"].waits_for == ("teacher_Digits",)
    assert found["student_Digits_TAKD_run2"].waits_for == ("assistant_Digits_TAKD",)
    assert read_status(tmp_path).command == f"hpmkd run --restore {tmp_path}"


def test_running_needs_a_living_sweep(tmp_path: Path, cache_dir: Path) -> None:
    output, _, _ = make_output(tmp_path, cache_dir, teacher_only, **CHOOSE)
    recorder = Recorder(output)
    recorder.record(epoch(1, 2, job="student_Digits_AT_run1"))
    assert models(tmp_path)["student_Digits_AT_run1"].state == "ready"
    with locked(output):
        recorder.record(epoch(1, 2, job="student_Digits_AT_run1"))
        status = read_status(tmp_path)
        found = models(tmp_path)["student_Digits_AT_run1"]
    assert (status.sweep, status.owner) == ("running", f"process {os.getpid()} on {platform.node()}")
    assert (found.state, found.epoch, found.of, found.by) == ("running", 1, 2, "process 77 on node7")
    assert datetime.datetime.fromisoformat(found.since or "").tzinfo is not None


@pytest.mark.parametrize(
    ("host", "alive"), [(platform.node(), "killed"), ("another-machine", "elsewhere")], ids=["here", "there"]
)
def test_an_owner_that_is_gone_and_one_elsewhere(tmp_path: Path, cache_dir: Path, host: str, alive: str) -> None:
    output, _, _ = make_output(tmp_path, cache_dir, teacher_only, **CHOOSE)
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    owner = output.owner_file
    owner.write_text(json.dumps({"host": host, "pid": dead.pid, "boot": "something"}))
    assert read_status(tmp_path).sweep == alive


def test_a_number_that_another_program_has_now(tmp_path: Path, cache_dir: Path) -> None:
    output, _, _ = make_output(tmp_path, cache_dir, teacher_only, **CHOOSE)
    owner = output.owner_file
    owner.write_text(json.dumps({"host": platform.node(), "pid": os.getpid()}))
    assert read_status(tmp_path).sweep == "running"
    os.utime(owner, (time.time() - 10**7, time.time() - 10**7))
    assert read_status(tmp_path).sweep == "killed"
    owner.write_text("{")
    assert read_status(tmp_path).sweep == "stopped"


def test_in_training_under_a_killed_sweep_is_not_in_training_under_the_next(tmp_path: Path, cache_dir: Path) -> None:
    key = "student_Digits_AT_run1"
    output, _, jobs = make_output(tmp_path, cache_dir, teacher_only, **CHOOSE)
    folder = output.tune / "round000" / trial_folder(jobs[key]) / "checkpoint_000000"
    folder.mkdir(parents=True)
    (folder / "epoch.json").write_text(json.dumps({"epoch": 1}))
    recorder = Recorder(output)
    recorder.started(key)
    with locked(output):
        owner = output.owner_file
        later = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=1)
        owner.write_text(json.dumps({**json.loads(owner.read_text()), "since": later.isoformat(timespec="seconds")}))
        before = models(tmp_path)[key]
        owner.write_text(json.dumps({"host": platform.node(), "pid": os.getpid()}))
        recorder.started(key)
        after = models(tmp_path)[key]
    assert (before.state, before.epoch, before.by) == ("interrupted", 1, None)
    assert (after.state, after.epoch, after.of) == ("running", 1, 2), "it continues, and is in no first epoch"


def test_failed_interrupted_stale_damaged_unchecked(tmp_path: Path, cache_dir: Path) -> None:
    output, _, jobs = make_output(tmp_path, cache_dir, teacher_only, **CHOOSE)
    identity = {"teacher_Digits": "other weights"}
    put_model(output, jobs["student_Digits_AT_run1"], 80.0, identity)
    for run in (1, 2):
        put_model(output, jobs[f"student_Digits_Direct_run{run}"], 80.0, {})
    with output.model_file(jobs["student_Digits_Direct_run1"]).open("ab") as file:
        file.write(b"more")
    sidecar_path(output.model_file(jobs["student_Digits_Direct_run2"])).unlink()
    Recorder(output).failed("student_Digits_AT_run2", "RuntimeError: boom")
    folder = output.tune / "round000" / trial_folder(jobs["assistant_Digits_TAKD"])
    for number in (0, 1):
        (folder / f"checkpoint_00000{number}").mkdir(parents=True)
        (folder / f"checkpoint_00000{number}" / "epoch.json").write_text(json.dumps({"epoch": number + 1}))
    found = models(tmp_path)
    states = {key: model.state for key, model in found.items()}
    assert states == {
        "teacher_Digits": "done",
        "student_Digits_Direct_run1": "damaged",
        "student_Digits_Direct_run2": "unchecked",
        "student_Digits_AT_run1": "stale",
        "student_Digits_AT_run2": "failed",
        "assistant_Digits_TAKD": "interrupted",
        "student_Digits_TAKD_run1": "waiting",
        "student_Digits_TAKD_run2": "waiting",
    }
    assert found["student_Digits_AT_run2"].reason == "RuntimeError: boom"
    assert (found["assistant_Digits_TAKD"].epoch, found["assistant_Digits_TAKD"].of) == (2, 2)
    assert "other weights" in found["student_Digits_AT_run1"].reason


def test_a_table_is_missed_only_while_somebody_needs_it(tmp_path: Path, cache_dir: Path) -> None:
    tables = {**CHOOSE, "kd__logits": "cached"}
    output, _, jobs = make_output(tmp_path, cache_dir, lambda job: 90.0, **tables)
    assert models(tmp_path)["logits_teacher_Digits"].state == "done"
    output.model_file(jobs["logits_teacher_Digits"]).unlink()
    assert "logits_teacher_Digits" not in models(tmp_path)
    assert read_status(tmp_path).command is None
    for suffix in ("", ".json"):
        path = output.model_file(jobs["student_Digits_TAKD_run1"])
        path.with_name(path.name + suffix).unlink()
    missing = [parent.key for parent in jobs["student_Digits_TAKD_run1"].parents]
    assert models(tmp_path)["student_Digits_TAKD_run1"].state == "ready", missing


def test_it_changes_nothing(tmp_path: Path, cache_dir: Path) -> None:
    output, _, jobs = make_output(tmp_path, cache_dir, lambda job: 90.0, **CHOOSE)
    sidecar_path(output.model_file(jobs["teacher_Digits"])).unlink()
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    read_status(tmp_path)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_before_the_plan_and_without_one(tmp_path: Path, cache_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output, _, _ = make_output(tmp_path, cache_dir, lambda job: 90.0, **CHOOSE)
    output.datasets_file.unlink()
    assert main(["status", str(tmp_path)]) == 0
    assert "no plan yet" in capsys.readouterr().out
    output.config_file.unlink()
    found = read_status(tmp_path)
    assert (len(found.models), found.counts(), found.command) == (8, {"done": 8}, None)
    assert main(["status", str(tmp_path / "nowhere")]) == 2
    assert "no such folder" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0 s"), (119, "119 s"), (120, "2 min"), (7300, "2 h"), (200_000, "2 d")]
)
def test_how_long_ago(seconds: int, text: str) -> None:
    now = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    assert ago((now - datetime.timedelta(seconds=seconds)).isoformat(), now) == text
    assert ago("nonsense") == "?"


def test_a_finished_model_whose_file_is_gone_is_lost_not_interrupted(
    tmp_path: Path, cache_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output, _, jobs = make_output(tmp_path, cache_dir, lambda job: 80.0, **CHOOSE)
    job = jobs["student_Digits_AT_run2"]
    Recorder(output, {job.key: job.fingerprint}).record(
        Finished(job.key, "trained", accuracy_pct=80.0, train_seconds=1.0, message="")
    )
    checkpoint = output.tune / "round000" / trial_folder(job) / "checkpoint_000000"
    checkpoint.mkdir(parents=True)
    (checkpoint / "epoch.json").write_text(json.dumps({"epoch": 1}))
    assert models(tmp_path)[job.key].state == "done"
    output.model_file(job).unlink()
    found = models(tmp_path)[job.key]
    assert (found.state, found.epoch, found.of) == ("lost", 1, 2)
    assert main(["status", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert f"lost: {job.key}, it was finished, and its file is gone; it is trained again after epoch 1/2" in said
    assert "interrupted" not in said
    assert main(["status", str(tmp_path), "--json"]) == 0
