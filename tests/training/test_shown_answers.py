"""Answers that students of a run share: the weights are those with the living teacher, to the bit, resumed or not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from support.builders import make_config, make_jobs

from hpmkd.audit.findings import audit, headers
from hpmkd.plan.events import Resumed
from hpmkd.plan.job import Job
from hpmkd.store.output_dir import OutputDir
from hpmkd.store.result_file import verify
from hpmkd.training.trial import SavableEpoch, run_job

CPU = torch.device("cpu")
Made = tuple[str, str, tuple[tuple[str, str], ...]]
NAMES = ["TraditionalKD", "DKD", "HPM-KD-M2", "TraditionalKD-adaptive", "KD-Budget", "AT"]
MORE: dict[str, Any] = {
    "data__augment": "crop_flip",
    "fit__student_epochs": 3,
    "hpmkd__gate_steps": 5,
    "fit__batch_size": 48,
}


def sweep(root: Path, cache_dir: Path, names: list[str] = NAMES, **more: Any) -> dict[str, Job]:
    config = make_config(cache_dir, baselines=names, **{**MORE, **more})
    jobs, output = make_jobs(config), OutputDir(root)
    for job in jobs.values():
        *_, last = run_job(job, output, config.data, CPU)
        assert last.status in ("trained", "found"), job.key
    return jobs


def weights(root: Path, jobs: dict[str, Job]) -> dict[str, Made]:
    found = {key: verify(OutputDir(root).model_file(job)).metadata for key, job in jobs.items() if job.role != "logits"}
    return {
        key: (meta["weights_sha256"], meta["fingerprint"], tuple(meta["parents"].items()))
        for key, meta in found.items()
    }


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory, cache_dir: Path) -> dict[str, Made]:
    root = tmp_path_factory.mktemp("live")
    return weights(root, sweep(root, cache_dir, kd__logits="live"))


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, cache_dir: Path) -> tuple[Path, dict[str, Job]]:
    root = tmp_path_factory.mktemp("shared")
    return root, sweep(root, root / "cache", kd__logits="auto")  # nothing is recalled


def test_weights_recipes_and_recorded_parents_are_those_with_the_living_teacher(
    live: dict[str, Made], shared: tuple[Path, dict[str, Job]]
) -> None:
    root, jobs = shared
    assert {key for key, job in jobs.items() if job.is_shown} == {
        "logits_teacher_Digits_run1", "logits_teacher_Digits_search",
    }  # fmt: skip
    assert weights(root, jobs) == live
    found = {key: made.metadata.get("answers") for key, made in headers(OutputDir(root)).items()}
    assert {key for key, answers in found.items() if answers} == {
        key for key, job in jobs.items() if any(parent.is_shown for parent in job.parents)
    }
    assert found["student_Digits_TraditionalKD_run1"] == ["logits_teacher_Digits_run1"]


def test_they_are_the_numbers_of_the_living_teacher_in_each_batch(shared: tuple[Path, dict[str, Job]]) -> None:
    root, jobs = shared
    job = jobs["logits_teacher_Digits_run1"]
    rows = np.load(OutputDir(root).model_file(job))
    images, kept = job.data.training_images, job.data.kept_of(job.data.images)
    assert job.fit.epochs == max(one.fit.epochs for one in jobs.values() if job in one.parents) > 3, "KD-Budget's"
    assert rows.shape == (job.fit.epochs * images + kept, 10)
    epochs = rows[: job.fit.epochs * images].reshape(job.fit.epochs, images, 10)
    assert not np.array_equal(epochs[0], epochs[1]), "each epoch shows other crops"


def test_a_kill_while_they_are_made_loses_an_epoch(shared: tuple[Path, dict[str, Job]], tmp_path: Path) -> None:
    root, jobs = shared
    job, output = jobs["logits_teacher_Digits_run1"], OutputDir(root)
    path = output.model_file(job)
    whole = path.read_bytes()
    path.unlink()
    config = make_config(root / "cache", baselines=NAMES, **MORE)
    for event in run_job(job, output, config.data, CPU):
        if isinstance(event, SavableEpoch) and event.event.result.epoch == 2:
            event.save(tmp_path / "saved")
            break
    first, *_ = run_job(job, output, config.data, CPU, (tmp_path / "saved",))
    assert first == Resumed(job.key, 2, job.fit.epochs)
    assert path.read_bytes() == whole


def test_who_is_there_stays_when_more_or_fewer_share_them(shared: tuple[Path, dict[str, Job]]) -> None:
    """A student alone has the living teacher, with others it looks up: the same student by its file, too."""
    root, jobs = shared
    output = OutputDir(root)
    for names in (["TraditionalKD"], ["TraditionalKD", "DKD"], [*NAMES, "DIST"]):
        config = make_config(root / "cache", baselines=names, kd__logits="auto", **MORE)
        now = make_jobs(config)
        shown = [job for job in now.values() if job.is_shown]
        assert bool(shown) == (len(names) > 1)
        found = audit(tuple(now.values()), output)
        kept = {key for key, one in found.items() if one.good and one.job and one.job.role == "student"}
        assert kept == {key for key in now if key.startswith("student")} - {"student_Digits_DIST_run1"}
        missing = {key for key, one in found.items() if not one.good}
        longest = any(job.fit.epochs != jobs[job.key].fit.epochs for job in shown)
        assert missing == ({"student_Digits_DIST_run1"} if "DIST" in names else set()), (names, longest)
