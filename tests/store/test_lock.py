"""One sweep per output, whoever starts it, and however it ends."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from hpmkd.errors import EnvironmentProblem, Locked
from hpmkd.store.lock import locked
from hpmkd.store.output_dir import OutputDir

HOLD = """
import errno, fcntl, sys, time, pathlib
if sys.argv[2:]:
    def flock(descriptor, operation):
        raise OSError(int(sys.argv[2]), "no locks here")
    fcntl.flock = flock
from hpmkd.store.lock import locked
from hpmkd.store.output_dir import OutputDir
with locked(OutputDir(pathlib.Path(sys.argv[1]))):
    print("held", flush=True)
    time.sleep(60)
"""


def test_another_process_is_named_and_its_death_frees_the_lock(tmp_path: Path) -> None:
    output = OutputDir(tmp_path / "new")
    with subprocess.Popen([sys.executable, "-c", HOLD, str(output.root)], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(Locked, match=f"process {holder.pid} on ") as caught, locked(output):
            pytest.fail("two hold it")
        assert caught.value.exit_code == 11
        holder.send_signal(signal.SIGKILL)
    with locked(output):
        pass


def test_an_owner_file_that_is_torn_is_no_error(tmp_path: Path) -> None:
    output = OutputDir(tmp_path)
    with locked(output):
        (owner,) = tmp_path.glob(".sweep.owner*")
        owner.write_text("{")
        with pytest.raises(Locked, match="an unknown process"), locked(output):
            pytest.fail("two hold it")
    assert not owner.exists()


def test_freed_after_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="mine"), locked(OutputDir(tmp_path)):
        raise ValueError("mine")
    with locked(OutputDir(tmp_path)):
        pass


NO_FLOCK = [errno.ENOSYS, errno.ENOTSUP, errno.EINVAL, errno.ENOLCK]


@pytest.fixture
def no_flock(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """A file system without locks, such as a mounted Drive."""

    def flock(descriptor: int, operation: int) -> None:
        raise OSError(request.param, "no locks here")

    monkeypatch.setattr(fcntl, "flock", flock)
    return int(request.param)


def hold(root: Path, *more: str) -> subprocess.Popen[str]:
    """Another process that holds the lock."""
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(root), *more], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


@pytest.mark.parametrize("no_flock", NO_FLOCK, indirect=True)
def test_without_flock_a_file_stands_in(tmp_path: Path, no_flock: int) -> None:
    output = OutputDir(tmp_path)
    for _ in range(2):
        with locked(output):
            assert list(tmp_path.glob("*.soft"))
            with pytest.raises(Locked, match=r"delete .*soft"), locked(output):
                pytest.fail("two hold it")
    assert not list(tmp_path.glob("*.soft"))


@pytest.mark.parametrize("no_flock", [errno.ENOSYS], indirect=True)
def test_without_flock_another_process_is_named_and_taken_over_when_it_is_dead(tmp_path: Path, no_flock: int) -> None:
    output = OutputDir(tmp_path)
    with hold(tmp_path, str(no_flock)) as holder:
        with pytest.raises(Locked, match=f"process {holder.pid} on .*, since 2"), locked(output):
            pytest.fail("two hold it")
        holder.kill()
    with locked(output):
        pass


@pytest.mark.parametrize("no_flock", [errno.ENOTSUP], indirect=True)
def test_without_flock_a_number_that_another_process_has_now_is_no_owner(tmp_path: Path, no_flock: int) -> None:
    """Host, boot and process are those of a live one, but it started at another time than the owner."""
    output = OutputDir(tmp_path)
    with locked(output):
        (soft,) = tmp_path.glob("*.soft")
        _, host, started = soft.read_text().split()
    soft.write_text(f"{os.getppid()}\n{host}\n{int(started) + 1}\n")
    with locked(output):
        pass


@pytest.mark.parametrize("no_flock", [errno.ENOSYS], indirect=True)
def test_without_flock_an_owner_on_another_host_stays(tmp_path: Path, no_flock: int) -> None:
    output = OutputDir(tmp_path)
    with locked(output):
        (soft,) = tmp_path.glob("*.soft")
        text = soft.read_text().split()
    soft.write_text(f"{text[0]}\nanother-host\n{text[2]}\n")
    output.owner_file.write_text(json.dumps({"host": "another-host", "pid": 7}))
    with pytest.raises(Locked, match="process 7 on another-host") as caught, locked(output):
        pytest.fail("it was taken from a host that may live")
    assert str(soft) in str(caught.value)
    soft.unlink()
    with locked(output):
        pass


def test_other_errors_of_the_lock_are_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def flock(*given: Any) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(fcntl, "flock", flock)
    with pytest.raises(EnvironmentProblem, match="Input/output"), locked(OutputDir(tmp_path)):
        pytest.fail("held")


@pytest.mark.parametrize("years", [-1, 1])
def test_clocks_do_not_matter(tmp_path: Path, years: int) -> None:
    """A lock whose files are a year old, or from next year, is held all the same; without its process it is not."""
    output = OutputDir(tmp_path)
    with hold(tmp_path) as holder:
        for path in tmp_path.iterdir():
            os.utime(path, (path.stat().st_atime, path.stat().st_mtime + years * 366 * 86400))
        with pytest.raises(Locked), locked(output):
            pytest.fail("two hold it")
        holder.kill()
    with locked(output):
        pass
