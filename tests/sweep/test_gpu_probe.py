"""How the share of a GPU is found, without one."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from support.builders import make_config
from support.sweeps import stamps, start

from hpmkd.audit.sweep_dir import Sweep, open_sweep
from hpmkd.cluster.resources import Shares, TrialResources
from hpmkd.config.load import to_yaml
from hpmkd.config.specs import spec_to_json
from hpmkd.data.cache import describe
from hpmkd.files import commit_bytes, commit_json
from hpmkd.plan.gpu_share import GpuUsage, most_demanding
from hpmkd.plan.job import Job
from hpmkd.plan.roles import Role
from hpmkd.store.output_dir import OutputDir
from hpmkd.sweep import driver, gpu_probe
from hpmkd.sweep.gpu_probe import Unmeasured, known_usage, lines, per_gpu
from hpmkd.training import rehearsal

GIB = 2**30
TWO = (Role.TEACHER, Role.STUDENT)


@pytest.fixture
def sweep(tmp_path: Path, cache_dir: Path) -> Sweep:
    config = make_config(cache_dir, baselines=["TraditionalKD-adaptive", "TAKD"])
    output = OutputDir(tmp_path)
    commit_bytes(output.config_file, to_yaml(config).encode())
    commit_json(output.datasets_file, [spec_to_json(spec) for spec in describe(config)])
    return open_sweep(tmp_path)


class Gpu:
    """A GPU on which jobs take what `usages` says of their roles; who was asked."""

    def __init__(self, **usages: GpuUsage | Unmeasured) -> None:
        self.usages, self.asked = usages, list[str]()

    def measure(self, sweep: Sweep, jobs: Sequence[Job]) -> dict[Role, GpuUsage | Unmeasured]:
        self.asked += [job.role.value for job in jobs]
        return {job.role: self.usages[job.role] for job in jobs}


SEEN, UNSEEN = GpuUsage("X", 80 * GIB, GIB, 0.5), GpuUsage("X", 80 * GIB, GIB, None)


@pytest.fixture
def kinds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu_probe.ray, "cluster_resources", lambda: {"GPU": 1.0, "accelerator_type:H100": 1.0})


@pytest.mark.usefixtures("kinds")
def test_it_is_measured_once(sweep: Sweep) -> None:
    gpu = Gpu(teacher=SEEN, student=SEEN, search=SEEN)
    first = known_usage(sweep, TWO, gpu.measure)
    assert first == {Role.TEACHER: SEEN, Role.STUDENT: SEEN} == known_usage(sweep, TWO, gpu.measure)
    assert gpu.asked == ["teacher", "student"], "and the most demanding comes first"
    known_usage(sweep, [Role.SEARCH], gpu.measure)
    assert known_usage(sweep, (*TWO, Role.SEARCH), gpu.measure) == {**first, Role.SEARCH: SEEN}
    assert gpu.asked[2:] == ["search"], "what is known of the others stays"


@pytest.mark.usefixtures("kinds")
@pytest.mark.parametrize("one", [UNSEEN, Unmeasured("RuntimeError: mine")])
def test_only_what_was_seen_is_kept(sweep: Sweep, one: GpuUsage | Unmeasured) -> None:
    gpu = Gpu(teacher=one, student=SEEN)
    for _ in range(2):
        assert known_usage(sweep, TWO, gpu.measure) == {Role.TEACHER: one, Role.STUDENT: SEEN}
    assert gpu.asked == ["teacher", "student", "teacher"]
    assert "teacher" not in json.loads(sweep.output.gpu_file.read_text())["roles"]


@pytest.mark.usefixtures("kinds")
@pytest.mark.parametrize(
    "text",
    [
        "{", "[]", "null", "7", '{"roles": []}',
        # of 0.1.0
        '{"fingerprint": "a", "gpus": ["accelerator_type:H100"], "need": {"gpu": "X", "total_bytes": 1,'
        ' "trial_bytes": 1, "busy": 0.5}}',
    ],
)  # fmt: skip
def test_a_file_of_another_version_is_made_anew(sweep: Sweep, text: str) -> None:
    gpu = Gpu(teacher=SEEN, student=SEEN)
    sweep.output.gpu_file.write_text(text)
    for _ in range(2):
        assert known_usage(sweep, TWO, gpu.measure) == {Role.TEACHER: SEEN, Role.STUDENT: SEEN}
    assert len(gpu.asked) == 2


@pytest.mark.usefixtures("kinds")
@pytest.mark.parametrize(
    "change",
    [
        {"gpus": ["accelerator_type:T4"]},
        {"cuda_graph": False},
        {"cudnn_benchmark": True},
        {"deterministic": True},
        {"roles": {role: {"fingerprint": "of other settings", "usage": {}} for role in TWO}},
        {"roles": {role: {"fingerprint": "x", "usage": {"gpu": "X"}} for role in TWO}},
        {"roles": {"king": {}}},
    ],
)
def test_what_holds_for_others_is_not_used(sweep: Sweep, change: dict[str, Any]) -> None:
    gpu = Gpu(teacher=SEEN, student=SEEN)
    known_usage(sweep, TWO, gpu.measure)
    commit_json(sweep.output.gpu_file, json.loads(sweep.output.gpu_file.read_text()) | change)
    known_usage(sweep, TWO, gpu.measure)
    assert len(gpu.asked) == 4


def every(sweep: Sweep) -> list[Job]:
    return list(most_demanding(sweep.jobs).values())


@pytest.mark.usefixtures("small_ray")
@pytest.mark.parametrize(
    ("seconds", "reason"), [(300.0, r"(AssertionError|RuntimeError): "), (0.01, r"it took longer than 0.01 s")]
)
def test_a_gpu_that_cannot_be_measured_is_no_error(
    sweep: Sweep, seconds: float, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The test's Ray has GPUs that do not exist; and a worker that takes too long ends itself."""

    def refuse(*given: Any, **named: Any) -> None:
        pytest.fail("cancelling a task that is just ending aborts this process")

    monkeypatch.setattr(gpu_probe.ray, "cancel", refuse)
    monkeypatch.setattr(gpu_probe, "TIMEOUT_SECONDS", seconds)
    found = gpu_probe.measure(sweep, every(sweep))
    assert set(found) == {job.role for job in every(sweep)}
    (one,) = set(found.values())
    assert isinstance(one, Unmeasured)
    assert re.match(reason, one.reason)
    assert not one.needs_all


@pytest.mark.usefixtures("small_ray")
def test_a_role_that_fails_does_not_lose_the_others(sweep: Sweep, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first has too little memory, the second takes its process along; those after them get new processes."""

    def work(output: str, keys: Sequence[str], seconds: float) -> Iterator[GpuUsage | Unmeasured]:
        for key in keys:
            if key == first:
                yield Unmeasured("OutOfMemoryError: mine", needs_all=True)
                return
            if key == second:
                os._exit(1)
            yield GpuUsage(f"X {os.getpid()}", 80, 1, 0.5)

    jobs = every(sweep)
    first, second = jobs[0].key, jobs[1].key
    monkeypatch.setattr(gpu_probe, "_try", work)
    found = gpu_probe.measure(sweep, jobs)
    assert list(found) == [job.role for job in jobs]
    bad, dead, *good = found.values()
    assert bad == Unmeasured("OutOfMemoryError: mine", needs_all=True)
    assert isinstance(dead, Unmeasured)
    assert dead.reason.startswith("its process ended, WorkerCrashedError")
    assert len(good) > 1
    assert all(isinstance(one, GpuUsage) and one.busy == 0.5 for one in good)
    assert len({one.gpu for one in good if isinstance(one, GpuUsage)}) == 1, "they share one process"


def test_the_worker_says_what_failed_and_ends(sweep: Sweep, monkeypatch: pytest.MonkeyPatch) -> None:
    zeros = torch.zeros
    monkeypatch.setattr(torch, "zeros", lambda *size, **how: zeros(*size, **how | {"device": "cpu"}))
    monkeypatch.setattr("hpmkd.training.device.prepare_device", lambda *given, **named: None)
    errors: dict[str, Exception] = {
        "teacher": torch.cuda.OutOfMemoryError("CUDA out of memory\nmore"),
        "student": ValueError("mine"),
    }

    order: list[str] = []

    def demand(job: Job, splits: Any, device: Any, graph: bool) -> rehearsal.Demand:
        order.append(f"demand {job.role}")
        if job.role in errors:
            raise errors[job.role]
        return rehearsal.Demand(UNSEEN, 1.0)

    def usage(found: rehearsal.Demand, job: Job, splits: Any, device: Any, graph: bool) -> GpuUsage:
        order.append(f"usage {job.role}")
        return SEEN

    monkeypatch.setattr(rehearsal, "demand", demand)
    monkeypatch.setattr(rehearsal, "usage", usage)
    keys = {job.role.value: job.key for job in every(sweep)}
    output = str(sweep.output.root)
    found = list(gpu_probe._try(output, [keys["search"], keys["teacher"], keys["assistant"]], 300))
    name = type(errors["teacher"]).__name__
    assert found == [SEEN, Unmeasured(f"{name}: CUDA out of memory", needs_all=True)]
    assert order == ["demand search", "demand teacher", "usage search"], "a profiler slows down what comes after it"
    assert list(gpu_probe._try(output, [keys["student"]], 300)) == [Unmeasured("ValueError: mine")]
    errors["student"] = RuntimeError("CUDA error: an illegal memory access was encountered")
    (fault,) = gpu_probe._try(output, [keys["student"]], 300)
    assert isinstance(fault, Unmeasured)
    assert not fault.needs_all, "more memory does not help"


def test_what_is_known_of_a_role_decides_its_share() -> None:
    found = {
        Role.TEACHER: GpuUsage("X", 80 * GIB, 30 * GIB, 0.01),
        Role.ASSISTANT: Unmeasured("RuntimeError: mine"),
        Role.SEARCH: Unmeasured("OutOfMemoryError: mine", needs_all=True),
        Role.STUDENT: UNSEEN,
    }
    assert per_gpu(found) == {Role.TEACHER: 2, Role.SEARCH: 1, Role.STUDENT: 8}


def test_people_are_told_what_was_measured_and_what_was_not() -> None:
    def gpu(count: int) -> TrialResources:
        return TrialResources(1, 1 / count, "cuda", count)

    part = Shares(gpu(8), {Role.TEACHER: gpu(4), Role.SEARCH: gpu(16), Role.STUDENT: gpu(16)})
    found = {Role.TEACHER: GpuUsage("X", 80 * GIB, 3 * GIB, 0.4), Role.SEARCH: UNSEEN, Role.STUDENT: UNSEEN}
    assert lines(found, part) == [
        "X, 80 GiB: one teacher uses 3.0 GiB and keeps it 40 % busy, "
        "one search uses 1.0 GiB and how busy it keeps it was not seen, "
        "one student uses 1.0 GiB and how busy it keeps it was not seen; "
        "0.25 GPU per teacher, 0.062 GPU per search or student, 4 to 16 side by side"
    ]
    part = Shares(gpu(8), {Role.TEACHER: gpu(1), Role.LOGITS: gpu(8), Role.STUDENT: gpu(8)})
    memory = Unmeasured("OutOfMemoryError: mine", needs_all=True)
    why = Unmeasured("RuntimeError: no driver")
    assert lines({Role.TEACHER: memory, Role.LOGITS: why, Role.STUDENT: why}, part) == [
        "GPU not measured (teacher): OutOfMemoryError: mine; alone on a GPU: 1 GPU per trial, 1 side by side",
        "GPU not measured (logits cache, student): RuntimeError: no driver; "
        "by the number of cores: 0.12 GPU per trial, 8 side by side",
    ]


@pytest.mark.slow
@pytest.mark.usefixtures("small_ray")
def test_a_sweep_gives_each_role_its_own_share(
    tmp_path: Path, cache_dir: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """On GPUs that do not exist: Ray counts them out, and the trials compute on the CPU."""
    seen: dict[str, tuple[dict[str, float], int]] = {}

    class Spy(driver.TrimMetrics):
        def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
            gets = ray_actors[trial.trial_id]
            seen[trial.config["job"]] = trial.placement_group_factory.bundles, gets
            super().on_trial_complete(iteration, trials, trial, **info)

        def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
            ray_actors[trial.trial_id] = trial.temporary_state.ray_actor._actor_id.hex()

    def on_cpu(config: Any, roles: Sequence[Role], measured: dict[Role, int]) -> Shares:
        return Shares(
            TrialResources(1, 0, "cpu", 2),
            {role: TrialResources(1, 1 / measured[role], "cpu", measured[role]) for role in roles},
        )

    ray_actors: dict[str, Any] = {}
    teacher, student = GpuUsage("X", 80 * GIB, 30 * GIB, 0.1), GpuUsage("X", 80 * GIB, 50 * GIB, 0.1)
    monkeypatch.setattr(driver, "wants_measuring", lambda config: True)
    monkeypatch.setattr(driver, "measure", Gpu(teacher=teacher, student=student).measure)
    monkeypatch.setattr(driver, "shares", on_cpu)
    monkeypatch.setattr(driver, "TrimMetrics", Spy)
    output = tmp_path / "out"
    assert start(output, cache_dir, "--baselines", "Direct", "--runs", "3") == 0
    assert len(stamps(output)) == 4
    assert "0.5 GPU per teacher, 1 GPU per student, 1 to 2 side by side" in capsys.readouterr().out
    assert seen["teacher_Digits"][0] == [{"CPU": 1.0, "GPU": 0.5}]
    students = [what for key, what in seen.items() if key.startswith("student")]
    assert [bundles for bundles, _ in students] == 3 * [[{"CPU": 1.0, "GPU": 1.0}]]
    assert len({actor for _, actor in students}) == 1, "one after the other in the same process"
    assert seen["teacher_Digits"][1] != students[0][1], "a share is also a cap on its process's memory"
