"""How long a sweep would take: from what was measured here, else from multiply-adds, and which of them is said."""

from __future__ import annotations

import math
import platform
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
from hpmkd.plan.job import Job
from hpmkd.plan.work import work
from hpmkd.store.output_dir import OutputDir
from hpmkd.store.progress_log import Recorder
from hpmkd.store.result_file import check, commit, load_weights
from hpmkd.store.shared_cache import entry

GRID = {"baselines": ["Direct", "TraditionalKD"], "runs": 3, "resources__device": "cpu"}


def outputs(root: Path, cache: Path, done: tuple[str, ...] = (), **more: Any) -> tuple[OutputDir, SweepConfig, dict]:
    return make_output(root, cache, lambda job: 50.0 if job.key in done else None, **{**GRID, **more})


def told(output: OutputDir, config: SweepConfig, jobs: dict[str, Job]) -> module.Estimate:
    return estimate(config, audit(list(jobs.values()), output, repair=False), output)


def made_here(path: Path, hardware: str = "", device: str = "cpu") -> None:
    """The file says that this machine made it."""
    header, state = load_weights(path)
    meta = {**header.metadata, "hardware": hardware or machine(), "device": device}
    commit(path, state, accuracy=header.accuracy, train_time=header.train_time, metadata=meta)


@pytest.fixture
def one_core(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "cores", lambda: 1)


def test_finished_models_say_how_long_the_others_take(tmp_path: Path, cache_dir: Path, one_core: None) -> None:
    done = ("teacher_Digits", "student_Digits_Direct_run1", "student_Digits_TraditionalKD_run1")
    output, config, jobs = outputs(tmp_path / "out", cache_dir, done)
    for key in done:
        made_here(output.model_file(jobs[key]))  # each took 10 s
    found = told(output, config, jobs)
    assert (found.seconds, found.side_by_side, found.basis) == (pytest.approx(40.0), 1, "from 3 measured models")


def test_side_by_side_and_other_kinds_by_their_multiply_adds(
    tmp_path: Path, cache_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "cores", lambda: 2)
    output, config, jobs = outputs(tmp_path / "out", cache_dir, ("teacher_Digits", "student_Digits_Direct_run1"))
    made_here(output.model_file(jobs["student_Digits_Direct_run1"]))
    made_here(output.model_file(jobs["teacher_Digits"]), hardware="Another CPU, 64 cores")
    found = told(output, config, jobs)
    other = 10 * work(jobs["student_Digits_TraditionalKD_run1"]) / work(jobs["student_Digits_Direct_run1"])
    assert found.side_by_side == 2
    assert found.seconds == pytest.approx(10 + 2 * other), "two of Direct, then two of the others, then the last"
    assert found.basis == "from 1 measured model"
    limited = make_config(cache_dir, **{**GRID, "resources__max_concurrent": 1})
    assert told(output, limited, jobs).seconds == pytest.approx(20 + 3 * other)


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
    teacher = 20 * work(jobs["teacher_Digits"]) / work(jobs[key])
    assert found.seconds == pytest.approx(3 * 20 + teacher)
    file.write_text(file.read_text().replace(platform.node(), "elsewhere"))
    assert "multiply-adds" in told(output, config, jobs).basis


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
    rest = sum(10 * work(job) / work(teacher) for job in jobs.values() if job.key != teacher.key)
    assert found.seconds == pytest.approx(rest, rel=0.2)


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
    assert found.seconds == pytest.approx(
        10 * (1 + 3 * work(jobs["student_Digits_Direct_run1"]) / work(jobs["teacher_Digits"]))
    )


def test_nothing_measured_is_a_test_of_the_processor(
    tmp_path: Path, one_core: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_product_rate", lambda: 1e9)
    output, config, jobs = outputs(tmp_path / "a", tmp_path / "cache")
    found = told(output, config, jobs)
    assert found.seconds == pytest.approx(sum(map(work, jobs.values())) / 0.5e9)
    assert "a factor of 3" in found.basis


def test_the_test_of_the_processor_is_quick_and_gives_a_rate() -> None:
    assert 1e7 < module._product_rate() < 1e13


def test_a_gpu_without_measurements_is_not_guessed(tmp_path: Path) -> None:
    output, config, jobs = outputs(tmp_path / "a", tmp_path / "cache", resources__device="cuda")
    found = told(output, config, jobs)
    assert math.isnan(found.seconds)
    assert "GPU" in found.basis
