"""The benchmark of GPUs without one: its parts and its time."""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import gpu
import gpu_faults
import gpu_formats
import gpu_kernels
import gpu_one_fault
import gpu_parts
import gpu_sweep
import gpu_together
import gpu_trainings
import pytest
from gpu_workers import Row, Rows
from support.processes import python

from hpmkd.data.images import split

HERE = Path(__file__).resolve().parent
TINY = ["--device", "cpu", "--images", "64", "--epochs", "1", "--batch", "32", "--precision", "fp32"]


def said(text: str) -> list[Row]:
    return [json.loads(line) for line in text.splitlines()]


@pytest.mark.slow
def test_it_says_what_the_machine_is_and_trains_every_case(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    words = [*TINY, "--parts", "core", "--budget", "400", "--json", str(tmp_path / "rows.json")]
    assert gpu.main(words) == 0
    machine, images, *rows = said(capfd.readouterr().out)
    assert machine["part"] == "machine"
    assert {"gpu", "memory_gib", "driver", "compute_mode", "cuda_runtime", "mps_control", "mps_runs"} <= machine.keys()
    assert machine["cores"] >= 1
    assert images["train"] == 64
    assert [(row["method"], row["model"]) for row in rows] == [(case[0], case[1].arch) for case in gpu_trainings.CASES]
    assert all(row["one_by_one_images_s"] > 0 and row["recorded_images_s"] > 0 for row in rows)
    kept = json.loads((tmp_path / "rows.json").read_text())
    assert kept["rows"] == [machine, images, *rows]
    assert kept["finished"]


@pytest.mark.slow
def test_the_parts_about_a_step_measure_what_they_want(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    picture = tmp_path / "kernels.svg"
    words = [*TINY, "--parts", "kernels", "formats", "together", "--budget", "540", "--picture", str(picture)]
    assert gpu.main(words) == 0
    rows = said(capfd.readouterr().out)
    counts = {name: sum(row["part"] == name for row in rows) for name in ("kernels", "formats", "together")}
    wanted = {"kernels": len(gpu_kernels.WANTED) + 1, "formats": len(gpu_formats.WANTED)}
    assert counts == {**wanted, "together": 2 * len(gpu_together.WANTED)}
    assert [row for row in rows if "skipped" in row or "error" in row] == []
    assert picture.read_text().startswith("<?xml")


def test_torch_is_all_that_it_needs() -> None:
    refused = ["ray", "pydantic", "yaml", "psutil", "filelock", "pandas", "pyarrow", "PIL", "torchvision", "pytest"]
    code = f"sys.modules.update(dict.fromkeys({refused}))\nimport gpu, gpu_parts"
    path = os.pathsep.join([str(HERE.parents[1]), str(HERE)])
    subprocess.run(python(code), env={**os.environ, "PYTHONPATH": path}, check=True)


def test_the_gpu_that_is_not_there_is_an_error(capfd: pytest.CaptureFixture[str], monkeypatch: Any) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert gpu.main(["--parts", "core"]) == 1
    (row,) = said(capfd.readouterr().out)
    assert (row["part"], row["exit_code"]) == ("machine", 1)
    assert "Error" in row["last_line"]


def test_a_part_without_time_is_left_out_and_says_so() -> None:
    rows = Rows(None, [])
    options = argparse.Namespace(parts=list(gpu.PARTS), data="x", budget=3.0, sweep=None, device="cpu")
    gpu.run_parts(options, time.monotonic() + 3, rows)
    assert [row["part"] for row in rows.document["rows"]] == list(gpu.PARTS)
    assert all("left" in row["skipped"] for row in rows.document["rows"])


def test_each_part_gets_its_part_of_what_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """And what one leaves over goes to the next ones."""
    given: dict[str, float] = {}
    parts = {
        name: gpu.Part(lambda options, seconds, say, name=name: given.update({name: seconds}), weight, 1.0, 1.0)
        for name, weight in (("core", 3.0), ("loop", 1.0))
    }
    monkeypatch.setattr(gpu, "PARTS", parts)
    options = argparse.Namespace(parts=["loop", "core"], budget=400.0, data=None, device="cpu")
    gpu.run_parts(options, time.monotonic() + 400, Rows(None, []))
    assert list(given) == ["core", "loop"]
    assert given == {"core": pytest.approx(300, abs=1), "loop": pytest.approx(400, abs=1)}


def on_gpu(**more: Any) -> argparse.Namespace:
    """The options of a GPU, of which nothing is used here."""
    return argparse.Namespace(**{**vars(gpu.build_parser().parse_args([])), "device": "cuda", **more})


def test_on_a_gpu_few_parts_are_done_whole_and_the_others_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process is not ready there before 10 s: a part that gets less says nothing but that it was stopped."""
    given: dict[str, float] = {}
    parts = {
        name: part._replace(run=lambda options, seconds, say, name=name: given.update({name: seconds}))
        for name, part in gpu.PARTS.items()
    }
    monkeypatch.setattr(gpu, "PARTS", parts)
    rows, options = Rows(None, []), on_gpu(parts=["evaluation", "core", "settings", "loop"], budget=45.0)
    clock = [0.0]
    monkeypatch.setattr(gpu.time, "monotonic", lambda: clock[0])
    for name in parts:
        run = parts[name].run
        parts[name] = parts[name]._replace(
            run=lambda options, seconds, say, run=run: (run(options, seconds, say), clock.append(clock.pop() + seconds))
        )
    gpu.run_parts(options, 45.0, rows)
    assert list(given) == ["core", "settings"]
    assert all(given[name] >= parts[name].fewest(options) > 15 for name in given)
    assert sum(given.values()) == pytest.approx(45)
    assert [row["part"] for row in rows.document["rows"]] == ["loop", "evaluation"]
    assert "needs" in rows.document["rows"][0]["skipped"]


def test_on_a_gpu_no_part_begins_that_cannot_end() -> None:
    for name, part in gpu.PARTS.items():
        assert part.fewest(on_gpu()) > part.fewest(argparse.Namespace(device="cpu")), name
    assert gpu.PARTS["sweep"].fewest(on_gpu(sweep="--mode quick")) < gpu.PARTS["sweep"].fewest(on_gpu())


def test_each_setting_has_time_or_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    given, rows, clock = list[float](), list[Row](), [0.0]
    monkeypatch.setattr(gpu.time, "monotonic", lambda: clock[0])

    def relay(command: list[str], about: Row, seconds: float, say: Any) -> None:
        assert json.loads(command[-1])["until"] == pytest.approx(clock[0] + seconds - 5)
        given.append(seconds)
        clock[0] += seconds

    monkeypatch.setattr(gpu, "relay", relay)
    gpu.settings(on_gpu(images="x"), 40.0, rows.append)  # type: ignore[arg-type]
    assert given == [20.0, 20.0]
    assert len(rows) == len(gpu.SETTINGS) - 2
    assert all("skipped" in row for row in rows)


def test_each_fault_has_time_or_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    assert set(gpu_faults.FAULTS) == {fault.__name__ for fault in gpu_one_fault.FAULTS}
    given, rows, clock = dict[str, float](), list[Row](), [0.0]
    monkeypatch.setattr(gpu_faults.time, "monotonic", lambda: clock[0])

    def relay(command: list[str], about: Row, seconds: float, say: Any) -> None:
        given[command[-2]] = seconds
        clock[0] += seconds

    monkeypatch.setattr(gpu_faults, "relay", relay)
    gpu_faults.run("cuda", 60.0, rows.append)
    assert list(given) == ["capture_fails", "out_of_memory", "diverges"]
    assert sum(given.values()) <= 60
    assert {row["fault"] for row in rows} == set(gpu_faults.FAULTS) - set(given)
    assert all("skipped" in row for row in rows)


@pytest.mark.parametrize(("seconds", "timed"), [(60.0, 3), (0.0, 1)])
def test_a_case_has_fewer_timed_epochs_where_time_is_short(
    seconds: float, timed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    splits = split(gpu_trainings.made_up(64), gpu_trainings.SPEC)
    options = on_gpu(device="cpu", precision="fp32", batch=32, epochs=3, until=time.monotonic() + 600)
    monkeypatch.setattr(gpu_parts, "CASES", gpu_trainings.CASES[:1])
    monkeypatch.setattr(gpu_parts, "_PART_OF_CASE", seconds / 600)
    (row,) = gpu_parts.core(splits, options)
    assert row["timed_epochs"] == timed
    options.until = time.monotonic() + 0.001
    monkeypatch.setattr(gpu_parts, "late", lambda options: len(rows) == 1)
    rows = list[Row]()
    monkeypatch.setattr(gpu_parts, "CASES", gpu_trainings.CASES[:2])
    for row in gpu_parts.core(splits, options):
        rows.append(row)
    assert [row.get("skipped", "") for row in rows] == ["", "no time left"]


def test_a_case_that_takes_too_long_is_given_up_between_epochs(monkeypatch: pytest.MonkeyPatch) -> None:
    splits = split(gpu_trainings.made_up(64), gpu_trainings.SPEC)
    options = on_gpu(device="cpu", precision="fp32", batch=32, epochs=3, until=time.monotonic() + 600)
    monkeypatch.setattr(gpu_parts, "CASES", gpu_trainings.CASES[:1])
    answers = iter([False, True])
    monkeypatch.setattr(gpu_parts, "late", lambda options: next(answers))
    (row,) = gpu_parts.core(splits, options)
    assert row["skipped"] == "no time left after its first epoch"


def test_a_part_that_cannot_be_had_says_why_and_takes_no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    rows, given = Rows(None, []), list[float]()
    monkeypatch.setattr(gpu_sweep.importlib.util, "find_spec", lambda name: None)
    part = gpu.Part(lambda options, seconds, say: given.append(seconds), 1.0, 1.0, 1.0)
    monkeypatch.setattr(gpu, "PARTS", dict.fromkeys(("accuracy", "core", "sweep"), part))
    options = argparse.Namespace(
        parts=["accuracy", "core", "sweep"], data=None, budget=100.0, sweep="--mode quick", device="cpu"
    )
    gpu.run_parts(options, time.monotonic() + 100, rows)
    assert rows.document["rows"] == [
        {"part": "accuracy", "skipped": "needs --data"},
        {"part": "sweep", "skipped": "ray is not installed"},
    ]
    assert given == [pytest.approx(100, abs=1)]


def test_a_stopped_benchmark_keeps_its_rows_and_leaves_no_process(tmp_path: Path) -> None:
    file = tmp_path / "rows.json"
    command = [sys.executable, str(HERE / "gpu.py"), *TINY, "--parts", "core", "--json", str(file), "--epochs", "9999"]
    env = {**os.environ, "TMPDIR": str(tmp_path)}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env)
    assert process.stdout is not None
    assert [json.loads(process.stdout.readline())["part"] for _ in range(2)] == ["machine", "images"]
    process.terminate()
    process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGTERM
    kept = json.loads(file.read_text())
    assert [row["part"] for row in kept["rows"]] == ["machine", "images"]
    assert not kept["finished"]
    assert [path for path in tmp_path.iterdir() if path != file] == []
    lines = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    assert str(tmp_path) not in lines
