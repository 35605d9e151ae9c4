"""Where the time goes: parts of a trial, operators of an epoch, the file, and the tables of the report."""

from __future__ import annotations

import json
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from support.builders import make_config, make_jobs
from support.sweeps import start
from torch.autograd import DeviceType

from hpmkd.analysis import time_profile
from hpmkd.analysis.report.content import gather
from hpmkd.analysis.report.write import html
from hpmkd.analysis.time_profile import PARTS
from hpmkd.cluster.resources import Shares, TrialResources
from hpmkd.plan.events import Finished, JobProfile
from hpmkd.plan.roles import Role
from hpmkd.store import profile_file
from hpmkd.store.output_dir import OutputDir
from hpmkd.store.profile_file import Profile
from hpmkd.sweep.callbacks import Profiler
from hpmkd.sweep.reports import to_report
from hpmkd.timings import Timings
from hpmkd.training.op_profiler import Operators, kernel_seconds, kernels
from hpmkd.training.trial import run_job


def test_parts_add_up() -> None:
    timings = Timings()
    with timings.part("a"):
        time.sleep(0.01)
    with pytest.raises(ValueError, match="mine"), timings.part("a"):
        raise ValueError("mine")
    timings.add("b", 2.0)
    timings.add("b", -0.5)
    assert timings.seconds["a"] >= 0.01
    assert timings.seconds["b"] == 1.5


def test_the_parts_of_a_trial_are_its_time(tmp_path: Path, cache_dir: Path) -> None:
    """Nothing is counted twice, and no part is left out."""
    config = make_config(cache_dir, baselines=["HPM-KD"], hpmkd__schedule="cosine")
    output, jobs, seen = OutputDir(tmp_path), make_jobs(config), set[str]()
    for job in jobs.values():
        timings, begun = Timings(), time.monotonic()
        list(run_job(job, output, config.data, torch.device("cpu"), timings=timings))
        whole = time.monotonic() - begun
        known = sum(timings.seconds.values())
        assert set(timings.seconds) <= set(PARTS)
        assert all(seconds >= 0 for seconds in timings.seconds.values())
        assert known <= whole
        seen |= set(timings.seconds)
    assert {"parents", "images", "setup", "train", "validate", "prepare", "test", "commit"} <= seen


def test_operators_of_the_second_epoch() -> None:
    watch = Operators(torch.device("cpu"))
    layer = torch.nn.Linear(8, 8)
    for epoch in (1, 2, 3, 4):
        for _ in range(epoch):
            layer(torch.ones(4, 8))
        rows = watch.ended(epoch)
        assert bool(rows) == (epoch == 2)
        if rows:
            calls = {row["operator"]: row["calls"] for row in rows}
            assert calls["aten::addmm"] == 2
            assert [row["seconds"] for row in rows] == sorted((row["seconds"] for row in rows), reverse=True)
    watch.close()


def test_operators_of_a_training_that_ends_early() -> None:
    watch = Operators(torch.device("cpu"))
    assert watch.ended(1) == []
    watch.close()
    assert watch.ended(2) == []


def event(key: str, where: DeviceType, seconds: float, **more: bool) -> SimpleNamespace:
    """A row of a profiler's averages, as torch names its fields."""
    about = {"is_user_annotation": False, "self_cpu_time_total": 3.0, "self_device_time_total": seconds * 1e6}
    return SimpleNamespace(key=key, count=2, device_type=where, **about | more)


CPU, CUDA = DeviceType.CPU, DeviceType.CUDA


def test_on_a_gpu_each_kernel_counts_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """An eager operator's row has the time of its kernels too, and an annotation that of all kernels in it."""
    found = [
        event("aten::mm", CPU, 2.0),
        event("gemm", CUDA, 2.0),
        event("recorded", CUDA, 1.0),  # played from a graph: no operator starts it
        event("Memcpy HtoD", CUDA, 0.5),
        event("Optimizer.step#SGD.step", CPU, 3.0),
        event("Optimizer.step#SGD.step", CUDA, 3.0),  # torch 2.3 does not say that it is an annotation
        event("mine", CUDA, 3.0, is_user_annotation=True),
    ]
    assert sum(kernel_seconds(row) for row in kernels(found)) == 3.5
    old = [SimpleNamespace(key="gemm", device_type=CUDA, self_cuda_time_total=2e6)]
    assert [kernel_seconds(row) for row in kernels(old)] == [2.0], "before torch 2.4"
    watch = Operators(torch.device("cuda"))
    monkeypatch.setattr(watch, "_profile", SimpleNamespace(start=list, stop=list, key_averages=lambda: found))
    assert [*watch.ended(1), *watch.ended(2)] == [
        {"operator": "gemm", "calls": 2, "seconds": 2.0},
        {"operator": "recorded", "calls": 2, "seconds": 1.0},
        {"operator": "Memcpy HtoD", "calls": 2, "seconds": 0.5},
    ]
    watch = Operators(torch.device("cpu"))
    monkeypatch.setattr(watch, "_profile", SimpleNamespace(start=list, stop=list, key_averages=lambda: found[:1]))
    assert [*watch.ended(1), *watch.ended(2)] == [{"operator": "aten::mm", "calls": 2, "seconds": 3e-6}]


def trial(key: str) -> SimpleNamespace:
    return SimpleNamespace(config={"job": key, "role": "student"})


def test_what_the_driver_notes(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    timings = Timings()
    timings.add("rounds", 20.0)
    profiler = Profiler(Profile(), timings)
    profiler.round({"a", "b"}, Shares(TrialResources(1, 0, "cpu", 2)))
    for key in "ab":
        profiler.on_trial_start(1, [], trial(key))
    profiler.on_trial_result(
        1, [], trial("a"), to_report(Finished("a", "trained", 90.0, 6.0, profile=JobProfile({"train": 6.0}, [])))
    )
    now = 110.0
    profiler.on_trial_complete(1, [], trial("a"))
    profiler.on_trial_error(1, [], trial("b"))
    profiler.close()
    assert profiler.profile.models == {
        "a": {"seconds": 10.0, "parts": {"train": 6.0, "elsewhere": 4.0}, "operators": []}
    }
    (noted,) = profiler.profile.starts
    assert noted == {"models": 1, "concurrent": 2, "seconds": 20.0, "busy": 20.0, "parts": {"rounds": 20.0}}
    (line,) = time_profile.sentences(profiler.profile)
    assert line == "One start: 1 model in 20.0 s: training 20.0; 2 side by side, busy 50 % of the training."


def test_a_model_with_less_room_beside_it_keeps_more_slots_busy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Four teachers fill what sixteen students do."""
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    profiler = Profiler(Profile(), Timings())
    gpu = {role: TrialResources(1, 1 / count, "cuda", count) for role, count in (("teacher", 4), ("student", 16))}
    profiler.round({"a", "b"}, Shares(gpu["student"], {Role(role): one for role, one in gpu.items()}))
    for role in gpu:
        profiler.on_trial_start(1, [], SimpleNamespace(config={"job": role, "role": role}))
    now = 110.0
    for role in gpu:
        profiler.on_trial_complete(1, [], SimpleNamespace(config={"job": role, "role": role}))
    assert (profiler.concurrent, profiler.busy) == (16, 10.0 + 40.0)


@pytest.mark.parametrize("text", [None, "{", "[]", '{"starts": 3}'])
def test_no_file_or_a_torn_one(tmp_path: Path, text: str | None) -> None:
    output = OutputDir(tmp_path)
    if text is not None:
        output.profile_file.write_text(text)
    assert profile_file.read_profile(output) == Profile()


def test_tables() -> None:
    profile = Profile()
    rows = [{"operator": "mm", "calls": 2, "seconds": 3.0}, {"operator": "add", "calls": 1, "seconds": 1.0}]
    profile.add_model("s1", 8.0, JobProfile({"train": 6.0, "test": 1.0}, rows))
    profile.add_model("s2", 2.0, JobProfile({"train": 2.0}, []))
    profile.add_model("gone", 2.0, JobProfile({"train": 2.0}, rows))
    parts = time_profile.by_part(profile, {"s1": "student", "s2": "student"})
    assert list(parts["part"]) == ["train", "test", "elsewhere"]
    assert list(parts["seconds"]) == [8.0, 1.0, 1.0]
    assert list(parts["share_pct"]) == [80.0, 10.0, 10.0]
    operators = time_profile.by_operator(profile, {"s1": ("student", "AT"), "s2": ("student", "AT")})
    assert list(operators["operator"]) == ["mm", "add"]
    assert list(operators["share_pct"]) == [75.0, 25.0]


@pytest.mark.slow
@pytest.mark.usefixtures("small_ray")
def test_a_sweep_with_a_profile(tmp_path: Path, cache_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = tmp_path / "out"
    assert start(root, cache_dir, "--baselines", "Direct", "--runs", "1", "--profile") == 0
    assert f"where the time went: {root / 'profile.json'}" in capsys.readouterr().out
    values = json.loads((root / "profile.json").read_text())
    assert set(values["models"]) == {"teacher_Digits", "student_Digits_Direct_run1"}
    for one in values["models"].values():
        assert one["parts"]["train"] > 0
        assert sum(one["parts"].values()) == pytest.approx(one["seconds"], rel=0.01)
        assert any(row["operator"].startswith("aten::") for row in one["operators"])
    page = html(gather(root))
    assert "Where the time of the trials went" in page
    assert "aten::" in page
    assert "profile.json" in page


def test_a_sweep_without_one_has_no_such_table(out: Path) -> None:
    assert "profile.json" not in html(gather(out))
