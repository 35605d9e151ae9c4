"""Work in a process of its own: it ends, whatever the work does, and with its parent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from support.sweeps import ROOT

from hpmkd.child_process import last_line, run, search_path

PATIENCE = 60.0


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A module that a child finds; what `main(folder)` does is written into it."""
    monkeypatch.syspath_prepend(tmp_path / "path")
    (tmp_path / "path").mkdir()
    return tmp_path / "path/what_it_does.py"


def does(module: Path, body: str, top: str = "") -> None:
    module.write_text(f"import os, subprocess, sys, threading, time\n{top}\ndef main(folder):\n    {body}\n")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("(folder / 'answer').write_text('yes')", 0),
        ("threading.Thread(target=time.sleep, args=(900,)).start()", 0),
        ("subprocess.Popen(['sleep', '900'])", 0),
        ("raise ValueError('bang')", 1),
        ("sys.exit(4)", 4),
        ("os._exit(5)", 5),
        ("os.kill(os.getpid(), 9)", -9),
        ("raise KeyboardInterrupt", 1),
    ],
)
def test_it_ends(module: Path, body: str, code: int, tmp_path: Path) -> None:
    does(module, body)
    begun = time.monotonic()
    assert run("what_it_does", tmp_path, PATIENCE) == code
    assert time.monotonic() - begun < PATIENCE / 2
    assert (tmp_path / "answer").exists() == ("answer" in body)
    assert ("bang" in last_line(tmp_path)) == ("bang" in body)


@pytest.mark.parametrize("where", ["import", "work"])
def test_one_that_waits_for_ever_is_ended(module: Path, where: str, tmp_path: Path) -> None:
    wait = "print('waiting', flush=True); time.sleep(900)"
    does(module, "pass" if where == "import" else wait, top=wait if where == "import" else "")
    assert run("what_it_does", tmp_path, 3.0) is None
    assert last_line(tmp_path) == "waiting"


def test_what_it_started_is_ended_too(module: Path, tmp_path: Path) -> None:
    does(module, "(folder / 'pid').write_text(str(subprocess.Popen(['sleep', '900']).pid))")
    assert run("what_it_does", tmp_path, PATIENCE) == 0
    left = int((tmp_path / "pid").read_text())
    until = time.monotonic() + 10
    while psutil.pid_exists(left) and psutil.Process(left).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < until
        time.sleep(0.05)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_it_ends_with_its_parent(module: Path, number: signal.Signals, tmp_path: Path) -> None:
    does(module, "(folder / 'pid').write_text(str(os.getpid())); time.sleep(900)")
    code = f"""
from pathlib import Path
from hpmkd.child_process import run
run("what_it_does", Path({str(tmp_path)!r}), 600)
"""
    env = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{module.parent}"}
    with subprocess.Popen([sys.executable, "-c", code], env=env) as parent:
        until = time.monotonic() + PATIENCE
        while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text():
            assert time.monotonic() < until
            time.sleep(0.05)
        parent.send_signal(number)
    child = int((tmp_path / "pid").read_text())
    while psutil.pid_exists(child) and psutil.Process(child).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < until
        time.sleep(0.05)


def test_files_of_the_working_folder_are_no_modules_of_others(
    module: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as a `cuda.py`: torch imports one where there is one."""
    (tmp_path / "here").mkdir()
    (tmp_path / "here/spectacles.py").write_text("raise ValueError('taken')\n")
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.syspath_prepend("")
    does(module, "import spectacles")
    assert run("what_it_does", tmp_path, PATIENCE) == 1
    assert "No module named 'spectacles'" in last_line(tmp_path)
    assert os.getcwd() == str(tmp_path / "here")


def test_the_working_folder_is_left_out_however_it_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a").mkdir()
    monkeypatch.setattr(sys, "path", ["", ".", str(tmp_path), f"{tmp_path}/a/..", "/elsewhere", f"{tmp_path}/a"])
    assert search_path() == ["/elsewhere", f"{tmp_path}/a"]
