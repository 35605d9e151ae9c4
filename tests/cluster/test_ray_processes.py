"""Whose processes are ended, with real ones that stand in for Ray's."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hpmkd.cluster import ray_processes as module
from hpmkd.cluster.ray_processes import MARK, RayProcesses, end_leftovers, lives
from hpmkd.errors import EnvironmentProblem

MINE = f"mine-{os.getpid()}"  # other tests may run on this machine
Start = Callable[..., "subprocess.Popen[bytes]"]
CHILD = "import subprocess, sys, time, os; os.environ.clear(); subprocess.Popen(['sleep', '60']); time.sleep(60)"


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts a process with an environment of its own; all end with the test."""
    started: list[subprocess.Popen[bytes]] = []

    def begin(mark: str | None, *command: str) -> subprocess.Popen[bytes]:
        env = {**os.environ, **({MARK: mark} if mark else {})}
        started.append(subprocess.Popen(command or ("sleep", "60"), env=env))
        return started[-1]

    yield begin
    for process in started:
        process.kill()
        process.wait()


def remembered(file: Path, mark: str, **more: Any) -> RayProcesses:
    file.write_text(json.dumps({**module.machine(), "mark": mark, "processes": [], **more}))
    return RayProcesses(file, mark)


def test_only_what_carries_the_mark_is_ended(tmp_path: Path, start: Start) -> None:
    mine, others, users = start(MINE), start("another sweep's"), start(None)
    remembered(tmp_path / "ray.json", MINE)
    began = time.monotonic()
    assert end_leftovers(tmp_path / "ray.json") == 1
    assert time.monotonic() - began < 10
    assert mine.wait(1) == -9
    assert others.poll() is None
    assert users.poll() is None
    assert not (tmp_path / "ray.json").exists()
    assert end_leftovers(tmp_path / "ray.json") == 0


def test_children_that_hide_their_environment_are_ended_too(tmp_path: Path, start: Start) -> None:
    parent = start(MINE, sys.executable, "-c", CHILD)
    ours = remembered(tmp_path / "ray.json", MINE)
    deadline = time.monotonic() + 20
    while len(found := ours.find()) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert ours.end() == []
    assert parent.wait(1) == -9
    assert not any(map(lives, found))


def test_one_noted_at_the_start_is_ended_unless_its_number_has_gone_to_another(tmp_path: Path, start: Start) -> None:
    import psutil

    noted, reused = start(None), start(None)
    rows = [[noted.pid, psutil.Process(noted.pid).create_time()], [reused.pid, 1.0]]
    remembered(tmp_path / "ray.json", "gone", processes=rows)
    assert end_leftovers(tmp_path / "ray.json") == 1
    assert noted.wait(1) == -9
    assert reused.poll() is None


@pytest.mark.parametrize("change", [{"host": "another"}, {"boot": "an earlier one"}])
def test_of_another_machine_or_boot_nothing_is_touched(tmp_path: Path, start: Start, change: dict[str, str]) -> None:
    process = start(MINE)
    remembered(tmp_path / "ray.json", MINE, **change)
    assert end_leftovers(tmp_path / "ray.json") == 0
    assert process.poll() is None


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\x00" * 100, b'{"host": 1}', None])
def test_a_record_that_cannot_be_read_is_no_error(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "ray.json").write_bytes(content)
    assert end_leftovers(tmp_path / "ray.json") == 0


def test_the_mark_is_on_disk_before_and_out_of_the_environment_after(tmp_path: Path, start: Start) -> None:
    ours = RayProcesses(tmp_path / "ray.json")
    with ours.marking():
        assert json.loads(ours.file.read_text())["mark"] == ours.mark == os.environ[MARK]
        process = start(os.environ[MARK])
    assert MARK not in os.environ
    assert [pid for pid, _ in json.loads(ours.file.read_text())["processes"]] == [process.pid]
    assert ours.end() == []
    assert process.wait(1) == -9


def test_raylet_and_gcs_are_known_by_name(tmp_path: Path, start: Start) -> None:
    shutil.copy(shutil.which("sleep") or "", tmp_path / "raylet")
    process = start(MINE, str(tmp_path / "raylet"), "60")
    start(MINE)
    ours = RayProcesses(tmp_path / "ray.json", MINE)
    assert {one.pid: name for one, name in ours.vital().items()} == {process.pid: "raylet"}
    ours.end()
    assert ours.vital() == {}


def test_those_of_one_name_alone_and_the_file_stays(tmp_path: Path, start: Start) -> None:
    shutil.copy(shutil.which("sleep") or "", tmp_path / "nvidia-cuda-mps-control")
    daemon, other = start(MINE, str(tmp_path / "nvidia-cuda-mps-control"), "60"), start(MINE)
    ours = remembered(tmp_path / "ray.json", MINE)
    assert [one.pid for one in ours.named(module.MPS_NAME)] == [daemon.pid]
    assert ours.kill(name=module.MPS_NAME) == []
    assert daemon.wait(1) == -9
    assert other.poll() is None
    assert ours.file.exists()
    ours.end()


def test_the_raylet_is_killed_first_and_mps_last(tmp_path: Path, start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    import psutil

    for name in ("nvidia-cuda-mps-server", "sleeper", "raylet"):
        shutil.copy(shutil.which("sleep") or "", tmp_path / name)
        start(MINE, str(tmp_path / name), "60")
    killed, kill = [], psutil.Process.kill

    def noted(self: Any) -> None:
        killed.append(self.name())
        kill(self)

    monkeypatch.setattr(psutil.Process, "kill", noted)
    remembered(tmp_path / "ray.json", MINE).end()
    assert killed == ["raylet", "sleeper", "nvidia-cuda-mps-server"]


def test_one_that_does_not_die_is_named(tmp_path: Path, start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    import psutil

    process = start(MINE)
    remembered(tmp_path / "ray.json", MINE)
    monkeypatch.setattr(psutil.Process, "kill", lambda self: None)
    monkeypatch.setattr(RayProcesses.end, "__defaults__", (0.1,))
    with pytest.raises(EnvironmentProblem, match=f"{process.pid} \\(sleep\\)") as caught:
        end_leftovers(tmp_path / "ray.json")
    assert caught.value.exit_code == 3
    assert (tmp_path / "ray.json").exists(), "the next start tries again"
