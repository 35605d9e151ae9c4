"""Whole commands in the GPU benchmark: the sweep and the tests."""

from __future__ import annotations

import argparse
import io
import signal
import time
from pathlib import Path

import gpu_sweep
import pytest
from gpu_workers import Row
from support.processes import gone, python


def test_a_whole_command_is_stopped_with_all_it_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu_sweep, "_GRACE", 1.0)
    code = "child = subprocess.Popen(['sleep', '600'])\nprint(child.pid, flush=True)\ntime.sleep(600)"
    row, printed = gpu_sweep.whole(python(code), 3.0, {})
    assert (row["error"], row["exit_code"]) == ("stopped after 2 s", -signal.SIGTERM)
    time.sleep(0.5)
    assert gone(int(printed.text))


def test_each_line_has_the_seconds_at_which_it_came(tmp_path: Path) -> None:
    code = (
        "print('first\\n', flush=True)\ntime.sleep(1)\n"
        f"open({str(tmp_path / 'sign')!r}, 'w').close()\ntime.sleep(1)\nsys.stderr.write('second')"
    )
    row, printed = gpu_sweep.whole(python(code), 60.0, {}, (tmp_path / "sign").exists)
    assert row["exit_code"] == 0
    (first, one), (second, other) = printed.lines
    assert (one, other) == ("first", "second")
    assert printed.signed is not None
    assert first < printed.signed < second
    assert second <= row["seconds"]


def printed(lines: list[tuple[float, str]], signed: float | None) -> gpu_sweep.Printed:
    found = gpu_sweep.Printed(io.BytesIO(), lambda: False)
    found.lines, found.signed = lines, signed
    return found


def test_the_points_of_a_sweep_are_read_from_its_lines() -> None:
    lines = [
        (4.5, "decoding the images of C10; later sweeps reuse them"),
        (23.6, "training 35 of 35 models in /tmp/out"),
        (24.2, "MPS is on: trials that share a GPU work at the same time"),
        (
            49.3,
            "NVIDIA H100, 79 GiB: one teacher uses 1.8 GiB and keeps it 98 % busy; 0.25 GPU per trial, 4 side by side",
        ),
        (73.4, "Direct run 2/5 C10: 66.25% in 9.2s, saved student_C10_Direct_run2.pt"),
        (
            94.9,
            "HPM-KD assistant 1 C10: a.pt (71.54%) from the shared memory: trained before, by this or another sweep",
        ),
        (95.0, "C10"),
    ]
    assert gpu_sweep.moments(printed(lines, 30.1), 99.0) == {
        "data_ready": 23.6,
        "ray_started": 30.1,
        "share_measured": 49.3,
        "first_model": 73.4,
        "last_model": 94.9,
        "end": 99.0,
    }
    unmeasured = [(1.0, "GPU not measured (student): no GPU; by the number of cores: 2 side by side")]
    assert gpu_sweep.moments(printed(unmeasured, None), 2.0) == {"share_measured": 1.0, "end": 2.0}


@pytest.mark.slow
def test_a_sweep_says_when_it_came_how_far() -> None:
    words = "--mode quick --baselines Direct --runs 1 --train-images 200 --teacher-epochs 1 --student-epochs 1"
    rows: list[Row] = []
    gpu_sweep.sweep(argparse.Namespace(sweep=words, device="cpu", more=""), 300.0, rows.append)
    (row,) = rows
    assert (row["exit_code"], row["models"]) == (0, 2)
    points = row["seconds_until"]
    assert list(points) == ["data_ready", "ray_started", "first_model", "last_model", "end"]
    assert list(points.values()) == sorted(points.values())
    assert any("saved teacher_Digits.pt" in line for _, line in row["lines"])


def test_outcomes_of_the_tests(tmp_path: Path) -> None:
    (tmp_path / "report.xml").write_text(
        '<testsuites><testsuite><testcase name="a" time="2"/><testcase name="b" time="1"><skipped/></testcase>'
        '<testcase name="c" time="3"><failure message="AssertionError: 1 != 2"/></testcase></testsuite></testsuites>'
    )
    found = gpu_sweep._outcomes(tmp_path / "report.xml")
    assert (found["passed"], found["failed"], found["skipped"]) == (1, 1, 1)
    assert found["failures"] == [("c", "AssertionError: 1 != 2")]
    assert gpu_sweep._outcomes(tmp_path / "nothing.xml") == {}
