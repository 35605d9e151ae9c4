"""How long a sweep would take: from what was measured here, else from multiply-adds, and which of them is said."""

from __future__ import annotations

import json
import math
import platform
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.builders import make_config
from support.frames import epoch, make_output

from hpmkd.audit import estimate as module
from hpmkd.audit.estimate import estimate
from hpmkd.audit.findings import audit
from hpmkd.config.sweep import SweepConfig, memory_folder
from hpmkd.hardware import machine
from hpmkd.plan.effort import RAY_END, RAY_START, effort, effort_around
from hpmkd.plan.job import Job
from hpmkd.store.memory_entry import entry
from hpmkd.store.output_dir import OutputDir
from hpmkd.store.progress_log import Recorder
from hpmkd.store.result_file import check, commit, load_weights

GRID = {"baselines": ["Direct", "TraditionalKD"], "runs": 3, "resources__device": "cpu"}


@pytest.fixture(scope="module")
def cache_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its own: models that other tests have left in theirs would count as measurements."""
    return tmp_path_factory.mktemp("estimate")


def outputs(root: Path, cache: Path, done: tuple[str, ...] = (), **more: Any) -> tuple[OutputDir, SweepConfig, dict]:
    return make_output(root, cache, lambda job: 50.0 if job.key in done else None, **{**GRID, **more})


def told(output: OutputDir, config: SweepConfig, jobs: dict[str, Job]) -> module.Estimate:
    """Without the time of Ray, which no model takes."""
    found = estimate(config, audit(list(jobs.values()), output, repair=False), output)
    return replace(found, seconds=found.seconds - found.ray)


def made_here(path: Path, hardware: str = "", device: str = "cpu") -> None:
    """The file says that this machine made it."""
    header, state = load_weights(path)
    meta = {**header.metadata, "hardware": hardware or machine(), "device": device}
    commit(path, state, accuracy=header.accuracy, train_time=header.train_time, metadata=meta)


def around(jobs: list[Job], pace: float) -> float:
    """Seconds besides the epochs of these, where no record tells them."""
    return pace * sum(map(effort_around, jobs))


@pytest.fixture
def one_core(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "cores", lambda: 1)


def test_finished_models_say_how_long_the_others_take(tmp_path: Path, cache_dir: Path, one_core: None) -> None:
    done = ("teacher_Digits", "student_Digits_Direct_run1", "student_Digits_TraditionalKD_run1")
    output, config, jobs = outputs(tmp_path / "out", cache_dir, done)
    for key in done:
        made_here(output.model_file(jobs[key]))  # each took 10 s
    found = told(output, config, jobs)
    left, pace = [job for job in jobs.values() if job.key not in done], 30 / sum(effort(jobs[key]) for key in done)
    assert (found.side_by_side, found.basis) == (1, "from 3 measured models")
    assert found.seconds == pytest.approx(4 * 10 + around(left, pace))


def test_side_by_side_and_other_kinds_by_their_multiply_adds(
    tmp_path: Path, cache_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "cores", lambda: 2)
    output, config, jobs = outputs(tmp_path / "out", cache_dir, ("teacher_Digits", "student_Digits_Direct_run1"))
    made_here(output.model_file(jobs["student_Digits_Direct_run1"]))
    made_here(output.model_file(jobs["teacher_Digits"]), hardware="Another CPU, 64 cores")
    found = told(output, config, jobs)
    pace = 10 / effort(jobs["student_Digits_Direct_run1"])
    beside = around([jobs["student_Digits_Direct_run1"]], pace)
    other = pace * effort(jobs["student_Digits_TraditionalKD_run1"]) + beside
    assert found.side_by_side == 2
    assert found.seconds == pytest.approx(10 + beside + 2 * other), "two of Direct, two of the others, then the last"
    assert found.basis == "from 1 measured model"
    limited = make_config(cache_dir, **{**GRID, "resources__max_concurrent": 1})
    assert told(output, limited, jobs).seconds == pytest.approx(2 * (10 + beside) + 3 * other)


def test_epochs_of_an_unfinished_training_count(tmp_path: Path, cache_dir: Path, one_core: None) -> None:
    output, config, jobs = outputs(tmp_path / "out", cache_dir, baselines=["Direct"])
    key = "student_Digits_Direct_run1"
    recorder = Recorder(output, {key: jobs[key].fingerprint})
    recorder.started(key)
    for number in (1, 2):
        recorder.record(epoch(number, job=key))  # 2 s each, 10 of them
    file = output.progress / f"{key}.jsonl"
    file.write_text(file.read_text().replace("node7", platform.node()))
    found = told(output, config, jobs)
    pace = 20 / effort(jobs[key])
    teacher = pace * effort(jobs["teacher_Digits"])
    assert found.seconds == pytest.approx(3 * 20 + teacher + around([*jobs.values()], pace))
    file.write_text(file.read_text().replace(platform.node(), "elsewhere"))
    assert "multiply-adds" in told(output, config, jobs).basis


def test_a_long_first_epoch_is_not_that_of_all(tmp_path: Path, cache_dir: Path, one_core: None) -> None:
    """HPM-KD trains its attention before the first epoch, which counts as a part of it: once, not in every epoch."""
    output, config, jobs = outputs(tmp_path / "out", cache_dir, baselines=["Direct"])
    key = "student_Digits_Direct_run1"
    file = output.progress / f"{key}.jsonl"
    recorder = Recorder(output, {key: jobs[key].fingerprint})
    recorder.started(key)
    recorder.record(epoch(1, job=key))
    file.write_text(
        file.read_text().replace("node7", platform.node()).replace('"train_seconds": 2.0', '"train_seconds": 50.0')
    )
    assert "multiply-adds" in told(output, config, jobs).basis, "one epoch is no measurement"
    recorder.record(epoch(2, job=key))
    file.write_text(
        file.read_text().replace("node7", platform.node()).replace('"train_seconds": 4.0', '"train_seconds": 52.0')
    )
    training, pace = 50 + 9 * 2, (50 + 9 * 2) / effort(jobs[key])
    teacher = pace * effort(jobs["teacher_Digits"])
    assert told(output, config, jobs).seconds == pytest.approx(3 * training + teacher + around([*jobs.values()], pace))


def test_what_the_shared_memory_has_takes_no_time(tmp_path: Path, one_core: None) -> None:
    cache = tmp_path / "cache"
    output, config, jobs = outputs(tmp_path / "a", cache, ("teacher_Digits",), baselines=["HPM-KD"])
    teacher = jobs["teacher_Digits"]
    made_here(output.model_file(teacher))
    kept = entry(memory_folder(config.data), teacher, "cpu")
    header, state = load_weights(output.model_file(teacher))
    commit(kept, state, accuracy=50.0, train_time=10.0, metadata=header.metadata)
    assert check(kept).train_time == 10.0
    empty, _, _ = outputs(tmp_path / "b", cache, baselines=["HPM-KD"])
    found = told(empty, config, jobs)
    assert (found.recalled, found.basis) == (1, "from 1 measured model")
    pace, rest = 10 / effort(teacher), [job for job in jobs.values() if job.key != teacher.key]
    assert found.seconds == pytest.approx(pace * sum(map(effort, rest)) + around(rest, pace), rel=0.2)


def test_teachers_of_other_sweeps_give_the_pace(tmp_path: Path, one_core: None) -> None:
    cache = tmp_path / "cache"
    output, config, jobs = outputs(tmp_path / "a", cache, ("teacher_Digits",), baselines=["HPM-KD"], fit__lr=0.5)
    made_here(output.model_file(jobs["teacher_Digits"]))
    header, state = load_weights(output.model_file(jobs["teacher_Digits"]))
    kept = entry(memory_folder(config.data), jobs["teacher_Digits"], "cpu")
    commit(kept, state, accuracy=50.0, train_time=10.0, metadata=header.metadata)
    other, config, jobs = outputs(tmp_path / "b", cache, baselines=["Direct"])
    found = told(other, config, jobs)
    assert "at the pace of 1 teacher of other sweeps" in found.basis
    pace = 10 / effort(jobs["teacher_Digits"])
    students = 3 * pace * effort(jobs["student_Digits_Direct_run1"])
    assert found.seconds == pytest.approx(10 + students + around([*jobs.values()], pace), rel=0.03), (
        "but for validation"
    )


def test_nothing_measured_is_a_test_of_the_processor(
    tmp_path: Path, one_core: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_product_rate", lambda: 1e9)
    output, config, jobs = outputs(tmp_path / "a", tmp_path / "cache")
    found = told(output, config, jobs)
    assert found.seconds == pytest.approx(sum(map(effort, jobs.values())) / 1e9 + around([*jobs.values()], 1e-9))
    assert "a factor of 2" in found.basis


def test_what_models_took_besides_their_epochs_is_read_from_records(
    tmp_path: Path, cache_dir: Path, one_core: None
) -> None:
    """The median, so that neither the first ones of a worker count nor a model that was continued."""
    done = tuple(f"student_Digits_{name}_run{run}" for name in ("Direct", "TraditionalKD") for run in (1, 2, 3))
    output, config, jobs = outputs(tmp_path / "out", cache_dir, (*done, "teacher_Digits"))
    for number, key in enumerate((*done, "teacher_Digits")):
        made_here(output.model_file(jobs[key]))
        lines = [{"time": "2026-01-01T00:00:00+00:00", "event": "started", "fingerprint": jobs[key].fingerprint}]
        row = {"epoch": 2, "of": 2, "train_loss": 1.0, "validation_accuracy_pct": 50.0, "lr": 0.1, "terms": {}}
        lines += [{"time": "2026-01-01T00:00:12+00:00", "event": "epoch", "train_seconds": 10.0, **row}]
        ended = {0: "00:40", 1: "00:05"}.get(number, f"00:1{2 + number % 3}")
        lines += [{"time": f"2026-01-01T00:{ended}+00:00", "event": "ended"}]
        text = "".join(json.dumps({"host": platform.node(), "pid": 1, **line}) + "\n" for line in lines)
        output.progress.mkdir(exist_ok=True)
        (output.progress / f"{key}.jsonl").write_text(text)
    output.model_file(jobs[done[-1]]).unlink()
    assert told(output, config, jobs).seconds == pytest.approx(10 + 2.5), "10 s of epochs, and the median"
    file = output.progress / f"{done[0]}.jsonl"
    file.write_text(file.read_text().replace("2026-01-01T00:00:40", "yesterday"))
    assert told(output, config, jobs).seconds == pytest.approx(10 + 2.0), "a record that says no time says nothing"
    for key in done[:3]:
        (output.progress / f"{key}.jsonl").unlink()
    good = [jobs[key] for key in (*done[:-1], "teacher_Digits")]
    unfinished = jobs[done[-1]]  # 2 epochs of it took 10 s, as its record says
    pace = 10 * (len(good) + 1) / sum(map(effort, [*good, unfinished]))
    beside = around([unfinished], pace)
    assert told(output, config, jobs).seconds == pytest.approx(10 + beside), "of too few it is no measurement"


def test_the_same_assistants_under_two_names_are_made_once(
    tmp_path: Path, one_core: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_product_rate", lambda: 1e9)
    names = ["HPM-KD-chain2", "TAKD-steps2"]
    output, config, jobs = outputs(tmp_path / "a", tmp_path / "cache", baselines=names, runs=1)
    twice = [job for job in jobs.values() if job.role == "assistant"]
    assert len(twice) == 4
    assert len({job.fingerprint for job in twice}) == 2
    again = [job for job in twice if job.fingerprint in {one.fingerprint for one in twice[: twice.index(job)]}]
    once = [job for job in jobs.values() if job not in again]
    assert told(output, config, jobs).seconds == pytest.approx(1e-9 * sum(map(effort, once)) + around(once, 1e-9))


def test_the_test_of_the_processor_is_quick_and_gives_a_rate() -> None:
    assert 1e7 < module._product_rate() < 1e13


def test_a_gpu_without_measurements_is_not_guessed(tmp_path: Path) -> None:
    output, config, jobs = outputs(tmp_path / "a", tmp_path / "cache", resources__device="cuda")
    found = told(output, config, jobs)
    assert math.isnan(found.seconds)
    assert "GPU" in found.basis


def test_start_and_end_of_ray_count_once(tmp_path: Path, one_core: None) -> None:
    done = ("teacher_Digits", "student_Digits_Direct_run1")
    output, config, jobs = outputs(tmp_path / "out", tmp_path / "cache", done, baselines=["Direct"], runs=2)
    for key in done:
        made_here(output.model_file(jobs[key]))
    findings = audit(list(jobs.values()), output, repair=False)
    found, alone = estimate(config, findings, output), told(output, config, jobs)
    assert found.ray == RAY_START + RAY_END
    assert found.seconds == pytest.approx(alone.seconds + RAY_START + RAY_END)
    there = config.model_copy(update={"resources": config.resources.model_copy(update={"address": "auto"})})
    assert estimate(there, findings, output).seconds == pytest.approx(alone.seconds), "a Ray that runs already"
