"""The shared memory: the same weights without training, and never the wrong ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from support.builders import make_config, make_jobs
from support.sweeps import flip

from hpmkd.config.sweep import memory_folder
from hpmkd.plan.job import Job
from hpmkd.store import predictions
from hpmkd.store.memory_entry import entry
from hpmkd.store.output_dir import OutputDir
from hpmkd.store.result_file import load_weights, verify
from hpmkd.store.shared_cache import recall
from hpmkd.training.trial import run_job

CPU = torch.device("cpu")
BASE: dict[str, Any] = {
    "hpmkd__teachers": 2, "hpmkd__chain_length": 1, "hpmkd__gate_steps": 5, "adaptive__alphas": [0.5],
}  # fmt: skip


@pytest.fixture
def run(tmp_path: Path) -> Any:
    """Runs a plan in an output of its own with one cache for all; returns key -> (how it ended, weights)."""

    def go(name: str, *baselines: str, **more: Any) -> dict[str, tuple[str, str]]:
        config = make_config(tmp_path / "cache", baselines=list(baselines), **BASE, **more)
        output, found = OutputDir(tmp_path / name), {}
        for job in make_jobs(config).values():
            status = list(run_job(job, output, config.data, CPU))[-1].status
            found[job.key] = (status, verify(output.model_file(job)).metadata["weights_sha256"])
        return found

    return go


def test_a_second_sweep_trains_its_students_only(run: Any, tmp_path: Path) -> None:
    first, second = run("one", "HPM-KD"), run("two", "HPM-KD", runs=2)
    assert {status for status, _ in first.values()} == {"trained"}
    students = {key for key in second if key.startswith("student")}
    assert {key for key, (status, _) in second.items() if status == "trained"} == students
    assert {key for key, (status, _) in second.items() if status == "recalled"} == set(first) - students
    assert all(second[key][1] == first[key][1] for key in first)
    header = verify(tmp_path / "two" / "models" / "teacher_Digits_2.pt")
    assert header.metadata["recalled"]
    assert header.train_time == verify(tmp_path / "one" / "models" / "teacher_Digits_2.pt").train_time


def test_a_recalled_teacher_brings_its_answers(run: Any, tmp_path: Path) -> None:
    run("one", "HPM-KD")
    run("two", "HPM-KD")
    for key in ("teacher_Digits", "teacher_Digits_2", "assistant_Digits_HPM-KD_1"):
        one, other = (OutputDir(tmp_path / name).predictions_file(key) for name in ("one", "two"))
        assert one.read_bytes() == other.read_bytes()
        weights = verify(tmp_path / "two" / "models" / f"{key}.pt").metadata["weights_sha256"]
        assert predictions.read(other, weights) is not None


def test_one_without_answers_is_recalled_all_the_same(run: Any, tmp_path: Path) -> None:
    """What older versions have put there; and what a damaged file says is not taken over."""
    run("one", "HPM-KD")
    memory = tmp_path / "cache" / "memory"
    first, *others = sorted(memory.glob("*.predictions.npy"))
    flip(first)
    for path in others:
        path.unlink()
    second = run("two", "HPM-KD")
    assert "recalled" in {status for status, _ in second.values()}
    recalled = {key for key, (status, _) in second.items() if status == "recalled"}
    assert not any(OutputDir(tmp_path / "two").predictions_file(key).exists() for key in recalled)


def test_without_it_everything_is_trained_to_the_same_weights(run: Any) -> None:
    first, second = run("one", "HPM-KD"), run("two", "HPM-KD-noSharedMemory")
    assert {status for key, (status, _) in second.items() if key != "teacher_Digits"} == {"trained"}
    student = "student_Digits_HPM-KD"
    assert second[f"{student}-noSharedMemory_run1"][1] == first[f"{student}_run1"][1]


def test_a_baseline_without_the_component_does_not_use_it(run: Any, tmp_path: Path) -> None:
    run("one", "TraditionalKD")
    assert not (tmp_path / "cache" / "memory").exists()


def test_across_baselines_by_content(run: Any) -> None:
    """TAKD's assistant and HPM-KD's only one are the same model under two names."""
    found = run("one", "HPM-KD", "TAKD")
    names = ("assistant_Digits_HPM-KD_1", "assistant_Digits_TAKD")
    assert found[names[0]][1] == found[names[1]][1]
    assert {found[name][0] for name in names} == {"trained", "recalled"}


def test_other_recipes_are_not_found(run: Any) -> None:
    run("one", "HPM-KD")
    second = run("two", "HPM-KD", fit__lr=0.002)
    assert {status for status, _ in second.values()} == {"trained"}


@pytest.fixture
def kept(run: Any, tmp_path: Path) -> tuple[Job, Path, OutputDir]:
    """The assistant, its place in the memory, and an output that does not have it."""
    run("one", "HPM-KD")
    config = make_config(tmp_path / "cache", baselines=["HPM-KD"], **BASE)
    return make_jobs(config)["assistant_Digits_HPM-KD_1"], memory_folder(config.data), OutputDir(tmp_path / "new")


def test_what_is_taken_out_is_whole_and_fits(kept: tuple[Job, Path, OutputDir], tmp_path: Path) -> None:
    job, folder, output = kept
    path = entry(folder, job, "cpu")
    parents = {"teacher_Digits": verify(tmp_path / "one" / "models" / "teacher_Digits.pt").metadata["weights_sha256"]}
    assert recall(folder, job, output, "cuda", parents) is None
    assert recall(folder, job, output, "cpu", {"teacher_Digits": "other weights"}) is None
    assert not output.model_file(job).exists()
    assert recall(folder, job, output, "cpu", parents) is not None
    assert load_weights(output.model_file(job))[0].metadata["key"] == job.key
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    assert recall(folder, job, output, "cpu", parents) is None


def test_a_memory_that_cannot_be_written_costs_no_model(run: Any, tmp_path: Path) -> None:
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "memory").write_text("in the way")
    assert {status for status, _ in run("one", "HPM-KD").values()} == {"trained"}
