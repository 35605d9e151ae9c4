"""The benchmark of GPUs without one: it ends in time, says what failed, and loses no row."""

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
import gpu_machine
import gpu_side_by_side
import gpu_sweep
import gpu_trainings
import pytest
from gpu_workers import Ended, Row, Rows, Worker, one_row_each, relay

from hpmkd.cluster.mps_control import CONTROL, MpsRefused

HERE = Path(__file__).resolve().parent
SCRIPT = HERE / "gpu_half_hour.sh"
TINY = ["--device", "cpu", "--images", "64", "--epochs", "1", "--batch", "32", "--precision", "fp32"]


def python(code: str) -> list[str]:
    return [sys.executable, "-c", f"import json, os, subprocess, sys, time\n{code}"]


def said(text: str) -> list[Row]:
    return [json.loads(line) for line in text.splitlines()]


def gone(number: int) -> bool:
    """Whether a process has ended, or is a zombie."""
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


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


def test_the_driver_is_asked_through_its_own_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert gpu_machine.driver() == {"driver": None, "compute_mode": None} or gpu_machine.shutil.which("nvidia-smi")
    program = tmp_path / "nvidia-smi"
    program.write_text('#!/bin/sh\necho "580.10, Exclusive_Process"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    assert gpu_machine.driver() == {"driver": "580.10", "compute_mode": "Exclusive_Process"}


def test_a_part_without_time_is_left_out_and_says_so() -> None:
    rows = Rows(None, [])
    options = argparse.Namespace(parts=list(gpu.PARTS), data="x", budget=3.0, sweep=None)
    gpu.run_parts(options, time.monotonic() + 3, rows)
    assert [row["part"] for row in rows.document["rows"]] == list(gpu.PARTS)
    assert all("left" in row["skipped"] for row in rows.document["rows"])


def test_each_part_gets_its_part_of_what_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """And what one leaves over goes to the next ones."""
    given: dict[str, float] = {}
    parts = {
        name: gpu.Part(lambda options, seconds, say, name=name: given.update({name: seconds}), weight, 1.0)
        for name, weight in (("core", 3.0), ("loop", 1.0))
    }
    monkeypatch.setattr(gpu, "PARTS", parts)
    gpu.run_parts(
        argparse.Namespace(parts=["loop", "core"], budget=400.0, data=None), time.monotonic() + 400, Rows(None, [])
    )
    assert list(given) == ["core", "loop"]
    assert given == {"core": pytest.approx(300, abs=1), "loop": pytest.approx(400, abs=1)}


def test_a_dead_worker_is_found_at_once_whatever_the_others_do() -> None:
    start = time.monotonic()
    sleeps = Worker(python("time.sleep(600)"))
    dies = Worker(python("print(json.dumps({'ready': True}), flush=True)\nsys.exit('no room\\nleft\\n')"))
    try:
        assert one_row_each([dies], start + 60) == [{"ready": True}]
        with pytest.raises(Ended) as end:
            one_row_each([sleeps, dies], start + 600)
    finally:
        sleeps.stop()
        dies.stop()
    assert end.value.about == {"exit_code": 1, "last_line": "left"}
    assert time.monotonic() - start < 60
    assert sleeps.process.returncode == -signal.SIGTERM


def test_a_part_that_takes_too_long_is_ended_with_all_it_started() -> None:
    code = "child = subprocess.Popen(['sleep', '600'])\nprint(json.dumps({'pid': child.pid}), flush=True)"
    rows: list[Row] = []
    relay(python(f"{code}\ntime.sleep(600)"), {"part": "x"}, 3.0, rows.append)
    assert rows[1:] == [{"part": "x", "error": "stopped after 3 s"}]
    time.sleep(0.5)
    assert gone(rows[0]["pid"])


def test_what_is_no_row_is_no_row(capfd: pytest.CaptureFixture[str]) -> None:
    rows: list[Row] = []
    relay(python("print('hello')\nprint(3)\nprint(json.dumps({'a': 1}))"), {"part": "x"}, 60.0, rows.append)
    assert rows == [{"a": 1}]
    assert capfd.readouterr().err == "hello\n3\n"


TRIAL = """
print(json.dumps({"ready": True}), flush=True)
sys.stdin.readline()
if COUNT == 2 and NUMBER == 1:
    sys.exit("CUDA error: out of memory")
print(json.dumps({"images_s": 100 if "CUDA_MPS_PIPE_DIRECTORY" in os.environ else 50}), flush=True)
"""


def trials(counts: list[int], seconds: float = 120.0) -> list[Row]:
    rows: list[Row] = []
    made: list[int] = []

    def command(name: str, options: Any, seconds: float, share: float) -> list[str]:
        made.append(round(1 / share))
        return python(f"COUNT, NUMBER = {made[-1]}, {len(made) % made[-1]}\n{TRIAL}")

    gpu_side_by_side.run(argparse.Namespace(trials=counts), seconds, rows.append, command)
    return rows


def test_a_trial_that_dies_ends_its_row_and_no_other() -> None:
    one, two, four, mps = trials([1, 2, 4])
    assert (one["images_s"], one["ratio_to_first"]) == (50, 1.0)
    assert (two["exit_code"], two["last_line"]) == (1, "CUDA error: out of memory")
    assert (four["images_s"], four["slowest_images_s"], four["ratio_to_first"]) == (200, 50, 4.0)
    assert "not on this machine" in mps["skipped"]


@pytest.fixture
def control(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program that stands in for the one that controls MPS; the file in which it notes what it is asked."""
    program, notes = tmp_path / "bin" / CONTROL, tmp_path / "notes"
    program.parent.mkdir()
    note = f'echo "$CUDA_MPS_PIPE_DIRECTORY|$CUDA_MPS_LOG_DIRECTORY|$*|$line" >> {notes}'
    program.write_text(
        f'#!/bin/sh\n[ "$1" = -d ] || read -r line\n{note}\n[ "$line" = get_server_list ] && echo 4711\n'
        f"[ -e {tmp_path}/broken ] || exit 0\n"
        'echo "[Control] no device" > "$CUDA_MPS_LOG_DIRECTORY/control.log"\nexit 1\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(gpu_machine, "try_client", lambda work, env: "")
    return notes


def test_mps_has_folders_of_its_own_and_ends(control: Path) -> None:
    with gpu_machine.mps() as env:
        folders = [Path(env[f"CUDA_MPS_{kind}_DIRECTORY"]) for kind in ("PIPE", "LOG")]
        assert all(path.is_dir() for path in folders)
        assert gpu_machine.mps_servers(env) == 1
    assert not any(path.exists() for path in folders)
    asked = [line.split("|") for line in control.read_text().splitlines()]
    assert {tuple(line[:2]) for line in asked} == {tuple(str(path) for path in folders)}
    assert [line[2] or line[3] for line in asked] == ["-d", "get_server_list", "get_server_list", "quit"]


def test_mps_that_does_not_start_says_why(control: Path) -> None:
    (control.parent / "broken").touch()
    with pytest.raises(MpsRefused, match=r"-d: \[Control\] no device"), gpu_machine.mps():
        pass


def test_side_by_side_without_and_with_mps(control: Path) -> None:
    rows = trials([1, 4])
    assert [(row["mps"], row["trials"], row["images_s"]) for row in rows] == [
        (False, 1, 50),
        (False, 4, 200),
        (True, 1, 100),
        (True, 4, 400),
    ]
    assert rows[-1]["mps_servers"] == 1
    assert control.read_text().rstrip().endswith("quit")


def test_a_part_that_cannot_be_had_says_why_and_takes_no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    rows, given = Rows(None, []), list[float]()
    monkeypatch.setattr(gpu_sweep.importlib.util, "find_spec", lambda name: None)
    part = gpu.Part(lambda options, seconds, say: given.append(seconds), 1.0, 1.0)
    monkeypatch.setattr(gpu, "PARTS", dict.fromkeys(("accuracy", "core", "sweep"), part))
    options = argparse.Namespace(parts=["accuracy", "core", "sweep"], data=None, budget=100.0, sweep="--mode quick")
    gpu.run_parts(options, time.monotonic() + 100, rows)
    assert rows.document["rows"] == [
        {"part": "accuracy", "skipped": "needs --data"},
        {"part": "sweep", "skipped": "ray is not installed"},
    ]
    assert given == [pytest.approx(100, abs=1)]


def test_a_whole_command_is_stopped_with_all_it_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu_sweep, "_GRACE", 1.0)
    code = "child = subprocess.Popen(['sleep', '600'])\nprint(child.pid, flush=True)\ntime.sleep(600)"
    row, text = gpu_sweep.whole(python(code), 3.0, {})
    assert (row["error"], row["exit_code"]) == ("stopped after 2 s", -signal.SIGTERM)
    time.sleep(0.5)
    assert gone(int(text))


def test_outcomes_of_the_tests(tmp_path: Path) -> None:
    (tmp_path / "report.xml").write_text(
        '<testsuites><testsuite><testcase name="a" time="2"/><testcase name="b" time="1"><skipped/></testcase>'
        '<testcase name="c" time="3"><failure message="AssertionError: 1 != 2"/></testcase></testsuite></testsuites>'
    )
    found = gpu_sweep._outcomes(tmp_path / "report.xml")
    assert (found["passed"], found["failed"], found["skipped"]) == (1, 1, 1)
    assert found["failures"] == [("c", "AssertionError: 1 != 2")]
    assert gpu_sweep._outcomes(tmp_path / "nothing.xml") == {}


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


def half_hour(*words: str, **env: str) -> subprocess.CompletedProcess[str]:
    given = {**os.environ, "PYTHON": sys.executable, "DEVICE": "cpu", **env}
    return subprocess.run([str(SCRIPT), *words], capture_output=True, text=True, env=given)


def test_the_script_says_what_its_steps_are() -> None:
    subprocess.run(["bash", "-n", str(SCRIPT)], check=True)
    done = half_hour()
    assert done.returncode == 0
    assert [line.split()[0] for line in done.stdout.splitlines()[1:]] == list("12345")
    limits = [int(line.split()[1]) for line in done.stdout.splitlines()[1:]]
    assert sum(limits) <= 1800
    assert max(limits) < 600
    assert half_hour("6").returncode != 0
    assert half_hour("2", "/dev/null", LIMIT="600").returncode != 0


@pytest.mark.slow
def test_a_step_of_the_script(tmp_path: Path) -> None:
    """With little time: its parts measure less, or say that they do not, and it ends in time."""
    start = time.monotonic()
    done = half_hour("2", str(tmp_path), LIMIT="45")
    assert time.monotonic() - start < 65
    kept = json.loads((tmp_path / "2-core.json").read_text())
    errors = [row for row in kept["rows"] if not row.get("error", "stopped after").startswith("stopped after")]
    assert errors == [], done
    assert kept["finished"]
    assert {row["part"] for row in kept["rows"]} == {"machine", "images", "core", "settings", "loop", "evaluation"}
    assert len([row for row in kept["rows"] if row["part"] == "settings"]) in (1, len(gpu.SETTINGS))


@pytest.mark.slow
def test_the_whole_half_hour_with_stand_ins(tmp_path: Path) -> None:
    done = half_hour("all", str(tmp_path))
    assert done.returncode == 0, done
    rows: list[Row] = []
    for file in sorted(tmp_path.glob("*.json")):
        kept = json.loads(file.read_text())
        assert kept["finished"], file
        rows += kept["rows"]
    assert len(list(tmp_path.glob("*.json"))) == 5
    assert [row for row in rows if "error" in row] == []
    assert {row["part"] for row in rows} >= set(gpu.PARTS)
    tests = next(row for row in rows if row["part"] == "tests")
    assert tests["passed"] > 85
    assert {row["fault"] for row in rows if row.get("ok")} >= {"capture_fails", "out_of_memory", "killed_and_resumed"}
    assert next(row for row in rows if row["part"] == "sweep")["models"] == 2
