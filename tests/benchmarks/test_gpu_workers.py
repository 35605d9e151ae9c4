"""The processes of the GPU benchmark: they end in time, with all they started, and no row is lost."""

from __future__ import annotations

import signal
import time

import pytest
from gpu_workers import Ended, Row, Worker, allot, one_row_each, relay
from support.processes import gone, python


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


def test_few_things_are_done_whole() -> None:
    """What does not fit gets nothing, and what is left over is divided by weight among those that do."""
    assert allot([(10, 1), (10, 3)], 28) == 10 + 8 / 4
    assert allot([(10, 1), (10, 3)], 19) == 19
    assert allot([(10, 1), (20, 3), (5, 1)], 19) == 10 + 4 / 2, "a large one does not keep out a small one after it"
    assert allot([(10, 1), (5, 1)], 9) is None
