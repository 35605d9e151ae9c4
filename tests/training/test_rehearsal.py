"""What a trial takes of a GPU, measured on the CPU with the lowest functions of torch.cuda replaced."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from support.builders import make_config, make_jobs
from torch.autograd import DeviceType

from hpmkd.data.cache import load
from hpmkd.data.images import Splits
from hpmkd.plan.gpu_share import GpuUsage
from hpmkd.plan.job import Job
from hpmkd.plan.roles import Role
from hpmkd.plan.searched import searched
from hpmkd.training import rehearsal
from hpmkd.training.device import CONTEXT_BYTES
from hpmkd.training.logits_cache import LogitsCacheBuilder
from hpmkd.training.rehearsal import demand, training_of, usage
from hpmkd.training.teachers import CachedTeacher

GIB = 2**30
CPU = torch.device("cpu")


@pytest.fixture
def jobs(cache_dir: Path) -> dict[str, Job]:
    return make_jobs(
        make_config(
            cache_dir, baselines=["Direct", "HPM-KD", "TraditionalKD-adaptive", "AT"], adaptive__temperatures=[3.0, 2.0]
        )
    )


def splits_of(job: Job, cache_dir: Path) -> Splits:
    return load(job.data, make_config(cache_dir).data.model_dump_json())


class Kernels:
    """A profiler that sees what `rows` says, or is refused."""

    rows: list[Any] = []  # noqa: RUF012
    refused = False

    def __init__(self, activities: Any) -> None:
        assert activities == [torch.profiler.ProfilerActivity.CUDA]

    def start(self) -> None:
        events.append("watch")
        if self.refused:
            raise RuntimeError("Profiler is already enabled on this thread")

    def stop(self) -> None:
        events.append("watched")

    def key_averages(self) -> list[Any]:
        return self.rows


def row(seconds: float, key: str = "kernel", where: DeviceType = DeviceType.CUDA) -> Any:
    return SimpleNamespace(key=key, device_type=where, self_device_time_total=seconds * 1e6, is_user_annotation=False)


events: list[str] = []


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """A GPU of which 30 GiB are reserved while a training warms up, and 2 GiB after that; what is done, in order."""
    events.clear()
    peak = [30 * GIB]

    def note(name: str) -> Any:
        return lambda *given: events.append(name)

    def reset(device: Any) -> None:
        events.append("reset")
        peak[0] = 2 * GIB

    def reserved(device: Any) -> int:
        events.append("peak")
        return peak[0]

    monkeypatch.setattr(torch.cuda, "synchronize", lambda: None)
    monkeypatch.setattr(torch.cuda, "empty_cache", note("release"))
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", reset)
    monkeypatch.setattr(torch.cuda, "max_memory_reserved", reserved)
    monkeypatch.setattr(
        torch.cuda, "get_device_properties", lambda device: SimpleNamespace(name="X", total_memory=80 * GIB)
    )
    for name in ("_WARM", "_STEPS"):
        monkeypatch.setattr(rehearsal, name, 6)
    monkeypatch.setattr(rehearsal, "profile", Kernels)
    monkeypatch.setattr(Kernels, "rows", [row(0.001)])
    monkeypatch.setattr(Kernels, "refused", False)
    inner = rehearsal.rehearsal

    def noted(*given: Any) -> rehearsal.Rehearsal:
        work = inner(*given)

        def step(*batch: Any) -> None:
            events.append(f"step {len(batch[0])}")
            work.step(*batch)

        def evaluate() -> None:
            events.append("evaluate")
            work.evaluate()

        return rehearsal.Rehearsal(step, evaluate, work.batches, work.seed, work.phases)

    monkeypatch.setattr(rehearsal, "rehearsal", noted)
    before = torch.get_num_threads()
    yield events
    torch.set_num_threads(before)


def measured(job: Job, cache_dir: Path) -> GpuUsage:
    """Both looks at a job, as the probe takes them."""
    splits = splits_of(job, cache_dir)
    return usage(demand(job, splits, CPU, graph=True), job, splits, CPU, graph=True)


def test_memory_is_that_of_after_the_warm_up(gpu: list[str], jobs: dict[str, Job], cache_dir: Path) -> None:
    """cuDNN tries algorithms with whatever memory is free, and on an empty GPU all of it is."""
    job = jobs["student_Digits_Direct_run1"]
    found = measured(job, cache_dir)
    assert (found.gpu, found.total_bytes) == ("X", 80 * GIB)
    assert found.trial_bytes == 2 * GIB + CONTEXT_BYTES
    warm, window, watched = gpu.index("reset"), gpu.index("peak"), gpu.index("watch")
    assert gpu[0] == gpu[warm - 1] == "release", "nothing of the role before it counts"
    whole, rest = job.fit.batch_size, 200 % job.fit.batch_size
    for part in (gpu[:warm], gpu[warm:window]):
        assert {f"step {whole}", f"step {rest}", "evaluate"} <= set(part), "for each size steps are recorded anew"
    assert gpu[:warm].count(f"step {rest}") > 4, "three before the recording"
    assert set(gpu[watched:]) == {"watch", f"step {whole}", "watched"}
    assert window < watched


@pytest.mark.parametrize(
    ("rows", "refused", "expected"),
    [
        ([row(1e9)], False, 1.0),
        ([], False, None),  # no counters here
        ([row(1e9, where=DeviceType.CPU)], False, None),  # what the host does is not what the GPU does
        ([row(1e9)], True, None),  # another profiler is at it
    ],
)
def test_what_was_not_seen_is_not_idle(
    gpu: list[str],
    jobs: dict[str, Job],
    cache_dir: Path,
    monkeypatch: pytest.MonkeyPatch,
    rows: list[Any],
    refused: bool,
    expected: float | None,
) -> None:
    monkeypatch.setattr(Kernels, "rows", rows)
    monkeypatch.setattr(Kernels, "refused", refused)
    job = jobs["student_Digits_Direct_run1"]
    assert measured(job, cache_dir).busy == expected


@pytest.mark.slow
@pytest.mark.parametrize("baselines", [["HPM-KD", "TAKD", "FitNets"], pytest.param(None, marks=pytest.mark.slow)])
def test_every_job_can_be_rehearsed(baselines: list[str] | None, gpu: list[str], cache_dir: Path) -> None:
    """Its parents' weights do not matter, and need not be there; that of a search is a student's training."""
    more = {} if baselines is None else {"baselines": baselines}
    every = make_jobs(make_config(cache_dir, **more)) | make_jobs(make_config(cache_dir, kd__logits="cached", **more))
    assert {job.role for job in every.values()} == set(Role)
    for job in every.values():
        found = measured(job, cache_dir)
        assert 0 < (found.busy or 0) <= 1


def test_a_step_trains(jobs: dict[str, Job], cache_dir: Path) -> None:
    for job in jobs.values():
        training = training_of(job, splits_of(job, cache_dir), CPU, graph=False)
        work = rehearsal.Rehearsal(training.step, lambda: None, training.batches, training.seed)
        before = [value.clone() for value in training.model.parameters()]
        training.step(*work.sizes()[0][0], 1.0, 0.0)
        assert any(not torch.equal(*pair) for pair in zip(before, training.model.parameters(), strict=True)), job.key


def test_a_search_tries_its_first_candidate(jobs: dict[str, Job], cache_dir: Path) -> None:
    (job,) = (one for one in jobs.values() if one.role is Role.SEARCH)
    training = training_of(job, splits_of(job, cache_dir), CPU, graph=False)
    first = searched(job)[0]
    assert training.fit.lr == first["fit.lr"] == job.fit.lr * dict(job.hparams)["adaptive.lr_factors"][0]
    assert training.distiller.hparams["kd.temperature"] == first["kd.temperature"] == 3.0
    assert training.distiller.hparams["kd.alpha"] == 0.9, "that of the config"


def test_both_phases_of_a_training_are_recorded(gpu: list[str], cache_dir: Path) -> None:
    """`kd.until`: from there on no teacher is asked, which is another recording, with memory of its own."""
    every = make_jobs(make_config(cache_dir, baselines=["TraditionalKD"], kd__until=0.5))
    job = every["student_Digits_TraditionalKD_run1"]
    assert len(rehearsal.rehearsal(job, splits_of(job, cache_dir), CPU, False).phases) == 2
    assert len(rehearsal.rehearsal(every["teacher_Digits"], splits_of(job, cache_dir), CPU, False).phases) == 1


def test_a_cache_of_logits_is_as_large_as_the_planned_one(cache_dir: Path) -> None:
    every = make_jobs(make_config(cache_dir, baselines=["TraditionalKD"], kd__logits="cached", fit__views=3))
    student, cache = every["student_Digits_TraditionalKD_run1"], every["logits_teacher_Digits"]
    splits = splits_of(student, cache_dir)
    (teacher,) = training_of(student, splits, CPU, graph=False).teachers
    assert isinstance(teacher, CachedTeacher)
    builder = LogitsCacheBuilder(rehearsal.build(cache.model, 0), splits, data=cache.data, fit=cache.fit, device=CPU)
    list(builder.epochs())
    assert teacher.rows.shape == builder.content().shape
    assert teacher.rows.dtype == builder.content().dtype
