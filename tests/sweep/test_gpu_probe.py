"""How the share of a GPU is found, without one."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import ray
import torch
from support.builders import make_config
from support.cuda_driver import PART, built, variables
from support.sweeps import stamps, start

from hpmkd.audit.sweep_dir import Sweep, open_sweep
from hpmkd.cluster import gpu_kinds
from hpmkd.cluster.gpu_kinds import Place, choose
from hpmkd.cluster.mps_control import VISIBLE
from hpmkd.cluster.nodes import Node, living_nodes
from hpmkd.cluster.resources import Shares, TrialResources
from hpmkd.config.load import to_yaml
from hpmkd.config.specs import spec_to_json
from hpmkd.data.cache import describe
from hpmkd.files import commit_bytes, commit_json
from hpmkd.mirror.branch import Exchange
from hpmkd.plan.gpu_share import GpuKind, GpuUsage, most_demanding
from hpmkd.plan.job import Job
from hpmkd.plan.roles import Role
from hpmkd.store.output_dir import OutputDir
from hpmkd.sweep import driver, gpu_probe
from hpmkd.sweep.gpu_probe import Found, Unmeasured, known_usage
from hpmkd.training import rehearsal

GIB = 2**30
TWO = (Role.TEACHER, Role.STUDENT)
A, B = Node("a", "10.0.0.1"), Node("b", "10.0.0.2")


@pytest.fixture
def sweep(tmp_path: Path, cache_dir: Path) -> Sweep:
    config = make_config(cache_dir, baselines=["TraditionalKD-adaptive", "TAKD"])
    output = OutputDir(tmp_path)
    commit_bytes(output.config_file, to_yaml(config).encode())
    commit_json(output.datasets_file, [spec_to_json(spec) for spec in describe(config)])
    return open_sweep(tmp_path)


KIND, OTHER = GpuKind("X", 80 * GIB), GpuKind("Y", 16 * GIB)
HERE = Place(KIND)


class Gpu:
    """A GPU on which jobs take what `usages` says of their roles; who was asked."""

    def __init__(self, **usages: GpuUsage | Unmeasured) -> None:
        self.usages, self.asked = usages, list[str]()

    def measure(
        self, sweep: Sweep, jobs: Sequence[Job], place: Place, exchange: Exchange | None = None
    ) -> dict[Role, GpuUsage | Unmeasured]:
        self.asked += [job.role.value for job in jobs]
        return {job.role: self.usages[job.role] for job in jobs}

    def known(self, sweep: Sweep, roles: Sequence[Role] = TWO) -> Found:
        """What is known of it, where it is the only one."""
        return known_usage(sweep, roles, self.measure, [HERE])[KIND]


SEEN, UNSEEN = GpuUsage("X", 80 * GIB, GIB, 0.5), GpuUsage("X", 80 * GIB, GIB, None)


def test_it_is_measured_once(sweep: Sweep) -> None:
    gpu = Gpu(teacher=SEEN, student=SEEN, search=SEEN)
    first = gpu.known(sweep)
    assert first == {Role.TEACHER: SEEN, Role.STUDENT: SEEN} == gpu.known(sweep)
    assert gpu.asked == ["teacher", "student"], "and the most demanding comes first"
    gpu.known(sweep, [Role.SEARCH])
    assert gpu.known(sweep, (*TWO, Role.SEARCH)) == {**first, Role.SEARCH: SEEN}
    assert gpu.asked[2:] == ["search"], "what is known of the others stays"


@pytest.mark.parametrize("one", [UNSEEN, Unmeasured("RuntimeError: mine")])
def test_only_what_was_seen_is_kept(sweep: Sweep, one: GpuUsage | Unmeasured) -> None:
    gpu = Gpu(teacher=one, student=SEEN)
    for _ in range(2):
        assert gpu.known(sweep) == {Role.TEACHER: one, Role.STUDENT: SEEN}
    assert gpu.asked == ["teacher", "student", "teacher"]
    (row,) = json.loads(sweep.output.gpu_file.read_text())["kinds"]
    assert list(row["roles"]) == ["student"]


@pytest.mark.parametrize(
    "text",
    [
        "{", "[]", "null", "7", '{"kinds": []}', '{"kinds": {}}',
        # of 0.1.0
        '{"fingerprint": "a", "gpus": ["accelerator_type:H100"], "need": {"gpu": "X", "total_bytes": 1,'
        ' "trial_bytes": 1, "busy": 0.5}}',
    ],
)  # fmt: skip
def test_a_file_of_another_version_is_made_anew(sweep: Sweep, text: str) -> None:
    gpu = Gpu(teacher=SEEN, student=SEEN)
    sweep.output.gpu_file.write_text(text)
    for _ in range(2):
        assert gpu.known(sweep) == {Role.TEACHER: SEEN, Role.STUDENT: SEEN}
    assert len(gpu.asked) == 2


def row(name: str = "X", total_bytes: int = 80 * GIB, usage: dict[str, Any] | None = None) -> dict[str, Any]:
    """Of the file, about trainings with other settings."""
    one = {"fingerprint": "of other settings", "usage": asdict(SEEN) if usage is None else usage}
    return {"name": name, "total_bytes": total_bytes, "roles": {role.value: one for role in TWO}}


@pytest.mark.parametrize(
    "change",
    [
        {"cuda_graph": False},
        {"cudnn_benchmark": True},
        {"deterministic": True},
        {"kinds": []},
        {"kinds": [row(name="Z")]},
        {"kinds": [row(total_bytes=40 * GIB)]},
        {"kinds": [row()]},
        {"kinds": [row(usage={"gpu": "X"})]},
        {"kinds": [{"name": "X", "total_bytes": 80 * GIB, "roles": {"king": {}}}]},
        {"kinds": [{"name": "X"}]},
    ],
)
def test_what_holds_for_others_is_not_used(sweep: Sweep, change: dict[str, Any]) -> None:
    gpu = Gpu(teacher=SEEN, student=SEEN)
    gpu.known(sweep)
    commit_json(sweep.output.gpu_file, json.loads(sweep.output.gpu_file.read_text()) | change)
    gpu.known(sweep)
    assert len(gpu.asked) == 4


class Machine:
    """GPUs of several kinds: what is measured on each, and where."""

    def __init__(self, **found: GpuUsage | Unmeasured) -> None:
        self.found, self.asked = found, list[tuple[str, int, list[str]]]()

    def measure(self, sweep: Sweep, jobs: Sequence[Job], place: Place, exchange: Exchange | None = None) -> Found:
        self.asked.append((place.kind.name, place.gpus, [job.role.value for job in jobs]))
        return {job.role: self.found[place.kind.name] for job in jobs}


LITTLE = GpuUsage("Y", 16 * GIB, 5 * GIB, 0.9)


def test_each_kind_is_measured_once_and_kept(sweep: Sweep) -> None:
    both, machine = [Place(KIND, A, 2), Place(OTHER, A, 2)], Machine(X=SEEN, Y=LITTLE)
    expected = {KIND: dict.fromkeys(TWO, SEEN), OTHER: dict.fromkeys(TWO, LITTLE)}
    assert known_usage(sweep, TWO, machine.measure, both) == expected
    assert known_usage(sweep, TWO, machine.measure, both) == expected
    assert machine.asked == [("X", 2, ["teacher", "student"]), ("Y", 2, ["teacher", "student"])]
    rows = json.loads(sweep.output.gpu_file.read_text())["kinds"]
    assert [(one["name"], one["total_bytes"], list(one["roles"])) for one in rows] == [
        ("X", 80 * GIB, ["teacher", "student"]), ("Y", 16 * GIB, ["teacher", "student"]),
    ]  # fmt: skip
    # One of them is chosen, or the output moves to where there is one alone, and comes back.
    assert known_usage(sweep, TWO, machine.measure, [Place(OTHER)]) == {OTHER: expected[OTHER]}
    assert known_usage(sweep, TWO, machine.measure, both) == expected
    assert len(machine.asked) == 2


def test_a_kind_that_fails_is_tried_again_alone(sweep: Sweep) -> None:
    nodes, machine = [Place(KIND, A), Place(OTHER, B)], Machine(X=SEEN, Y=Unmeasured("RuntimeError: mine"))
    for _ in range(2):
        found = known_usage(sweep, TWO, machine.measure, nodes)
        assert found == {KIND: dict.fromkeys(TWO, SEEN), OTHER: dict.fromkeys(TWO, Unmeasured("RuntimeError: mine"))}
    assert [name for name, *_ in machine.asked] == ["X", "Y", "Y"]


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
    found = gpu_probe.measure(sweep, every(sweep), HERE)
    assert set(found) == {job.role for job in every(sweep)}
    (one,) = set(found.values())
    assert isinstance(one, Unmeasured)
    assert re.match(reason, one.reason)
    assert not one.needs_all


@pytest.mark.usefixtures("small_ray")
def test_a_role_that_fails_does_not_lose_the_others(sweep: Sweep, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first has too little memory, the second takes its process along; those after them get new processes."""

    def work(output: str, keys: Sequence[str], seconds: float, kind: GpuKind) -> Iterator[GpuUsage | Unmeasured]:
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
    found = gpu_probe.measure(sweep, jobs, HERE)
    assert list(found) == [job.role for job in jobs]
    bad, dead, *good = found.values()
    assert bad == Unmeasured("OutOfMemoryError: mine", needs_all=True)
    assert isinstance(dead, Unmeasured)
    assert dead.reason.startswith("its process ended, WorkerCrashedError")
    assert len(good) > 1
    assert all(isinstance(one, GpuUsage) and one.busy == 0.5 for one in good)
    assert len({one.gpu for one in good if isinstance(one, GpuUsage)}) == 1, "they share one process"


@pytest.mark.usefixtures("small_ray")
def test_a_kind_among_others_of_its_machine(sweep: Sweep, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All eight are held, and the second, which is of that kind, is what the process sees."""

    def work(output: str, keys: Sequence[str], seconds: float, kind: GpuKind) -> Iterator[GpuUsage | Unmeasured]:
        os.environ.update(driver)
        held = os.environ[VISIBLE]
        choose(kind)
        yield GpuUsage(f"{os.environ[VISIBLE]} of {held}", 80, 1, 0.5)

    driver = variables(built(tmp_path), tmp_path / "calls", count=8)
    monkeypatch.setattr(gpu_probe, "_try", work)
    (here,) = living_nodes()
    found = gpu_probe.measure(sweep, every(sweep)[:1], Place(PART, here, 8))
    assert list(found.values()) == [GpuUsage("1 of 0,1,2,3,4,5,6,7", 80, 1, 0.5)]
    # Of this one Ray has no more than eight: as if somebody else had the ninth.
    monkeypatch.setattr(gpu_kinds, "FREE_SECONDS", 1)
    found = gpu_probe.measure(sweep, every(sweep), Place(PART, here, 9))
    assert set(found.values()) == {Unmeasured(f"the GPUs of node {here.address} are in use by others")}
    free = ray.remote(num_gpus=8, max_calls=1)(lambda: ray.get_gpu_ids())
    assert len(ray.get(free.remote(), timeout=60)) == 8, "they are free again"


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
    where = (sweep.output, None)
    found = list(gpu_probe._try(where, [keys["search"], keys["teacher"], keys["assistant"]], 300, KIND))
    name = type(errors["teacher"]).__name__
    assert found == [SEEN, Unmeasured(f"{name}: CUDA out of memory", needs_all=True)]
    assert order == ["demand search", "demand teacher", "usage search"], "a profiler slows down what comes after it"
    assert list(gpu_probe._try(where, [keys["student"]], 300, KIND)) == [Unmeasured("ValueError: mine")]
    errors["student"] = RuntimeError("CUDA error: an illegal memory access was encountered")
    (fault,) = gpu_probe._try(where, [keys["student"]], 300, KIND)
    assert isinstance(fault, Unmeasured)
    assert not fault.needs_all, "more memory does not help"


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
