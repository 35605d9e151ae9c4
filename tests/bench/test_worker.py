"""The process that measures: its clock, its questions, its end; networks in every runtime."""

from __future__ import annotations

import importlib.util
from dataclasses import asdict
from pathlib import Path

import psutil
import pytest
import torch
from support.builders import STUDENT
from support.processes import gone

from hpmkd.bench.memory import peak, resident
from hpmkd.bench.processes import Process
from hpmkd.bench.runtimes import load, noise
from hpmkd.bench.worker import TURN_CALLS, Worker, timed
from hpmkd.config.specs import ModelSpec
from hpmkd.errors import EnvironmentProblem, Refused
from hpmkd.models import build
from hpmkd.store.export import KINDS, export
from hpmkd.store.result_file import commit

SHAPE = (STUDENT.in_channels, STUDENT.image_size, STUDENT.image_size)


class Clock:
    """Nanoseconds, which only calls of `work` spend."""

    def __init__(self, cost: int = 7) -> None:
        self.now, self.cost, self.calls = 0, cost, 0

    def __call__(self) -> int:
        return self.now

    def work(self) -> None:
        self.calls += 1
        self.now += self.cost


def test_latencies_are_those_of_the_clock() -> None:
    clock = Clock()
    assert timed(clock.work, 5, None, clock) == [7] * 5
    clock = Clock(cost=400_000_000)
    assert len(timed(clock.work, 100, 1.0, clock)) == 3, "the call that crosses the end is the last"
    assert len(timed(clock.work, 100, 0.0, clock)) == 1, "one at least"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("m") / "m.pt"
    commit(path, build(STUDENT, seed=3).state_dict(), 50.0, 1.0, {"architecture": asdict(STUDENT), "role": "student"})
    return path


def test_a_turn_is_warmed_up_and_not_disturbed(model: Path) -> None:
    worker = Worker("cpu", 1)
    worker.load("m", "eager", str(model), SHAPE)
    clock = Clock(cost=3_000_000)
    worker.clock = clock
    program = worker.programs["m"]
    worker.programs["m"] = type(program)(lambda images: clock.work(), program.images, program.shape, program.version)
    assert worker.time("m", batch=2, count=4, seconds=None) == {"nanoseconds": [3_000_000] * 4}
    assert clock.calls == 4 + TURN_CALLS, "two of 3 ms make more than the 5 ms of a warm-up"
    assert worker.inputs[program.version, 2, *SHAPE].shape == (2, *SHAPE)


@pytest.mark.parametrize("runtime", ["eager", "export", "onnx"])
def test_every_runtime_gives_the_logits_of_the_model(runtime: str, model: Path, tmp_path: Path) -> None:
    kind = {"eager": None, "export": "pt2", "onnx": "onnx"}[runtime]
    if kind and any(importlib.util.find_spec(name) is None for name in KINDS[kind][1]):
        pytest.skip(f"the libraries of {kind} are not installed")
    path = export(model, kind, tmp_path / f"m.{kind}").path if kind else model
    program = load(runtime, path, SHAPE, device="cpu", threads=1)
    with torch.no_grad():
        expected = build(STUDENT, seed=3).eval()(noise(SHAPE, 3)).logits
    found = program.call(program.images(3))
    logits = torch.as_tensor(found[0] if isinstance(found, list) else found)
    assert not logits.requires_grad
    torch.testing.assert_close(logits, expected, atol=1e-4, rtol=1e-4)


def test_memory_of_a_call_grows_with_the_batch(tmp_path: Path) -> None:
    if resident("VmHWM") is None:
        pytest.skip("this system does not tell a process's memory")
    spec = ModelSpec("resnet8", (16, 32, 64), in_channels=3, image_size=32, classes=10)
    commit(tmp_path / "m.pt", build(spec, seed=0).state_dict(), 50.0, 1.0, {"architecture": asdict(spec)})
    with Process("cpu", 1) as worker:
        worker.ask("load", name="m", runtime="eager", path=str(tmp_path / "m.pt"), shape=(3, 32, 32))
        one, many = (worker.ask("memory", name="m", batch=batch)["bytes"] for batch in (1, 256))
    # One stage's maps of 256 images are 16 MiB, and the block's input is held while its first convolution works.
    assert many - one > 2 * 256 * 16 * 32 * 32 * 4 * 0.9
    assert many < 2**30


def test_memory_is_not_known_where_the_system_does_not_tell(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hpmkd.bench.memory.sys.platform", "darwin")
    assert peak(load("eager", model, SHAPE, device="cpu", threads=1), 1, "cpu") is None


def test_a_process_that_measures(model: Path) -> None:
    with Process("cpu", 1) as worker:
        number = worker.process.pid
        assert worker.ask("load", name="m", runtime="eager", path=str(model), shape=SHAPE)["version"].startswith(
            "torch"
        )
        assert len(worker.ask("time", name="m", batch=1, count=3, seconds=None)["nanoseconds"]) == 3
        with pytest.raises(Refused, match="KeyError"):
            worker.ask("time", name="other", batch=1, count=3, seconds=None)
        assert len(worker.ask("time", name="m", batch=1, count=2, seconds=None)["nanoseconds"]) == 2, "goes on"
        worker.process.kill()
        with pytest.raises(EnvironmentProblem, match="has died"):
            worker.ask("time", name="m", batch=1, count=3, seconds=None)
    assert gone(number)


def test_it_ends_with_its_input() -> None:
    """As when whoever asks is killed."""
    with Process("cpu", 1) as worker:
        assert psutil.pid_exists(worker.process.pid)
        assert worker.process.stdin is not None
        worker.process.stdin.close()
        assert worker.process.wait(60) == 0


def test_a_library_that_prints_does_not_spoil_answers(model: Path, tmp_path: Path) -> None:
    """Descriptor 1 of the worker is its standard error."""
    with Process("cpu", 1) as worker:
        link = Path(f"/proc/{worker.process.pid}/fd")
        if not link.is_dir():
            pytest.skip("no /proc")
        worker.ask("load", name="m", runtime="eager", path=str(model), shape=SHAPE)
        assert (link / "1").readlink() == (link / "2").readlink()
