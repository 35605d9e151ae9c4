"""Whole commands in the GPU benchmark: the sweep and the tests."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import gpu_sweep
import pytest
from support.processes import gone, python


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
