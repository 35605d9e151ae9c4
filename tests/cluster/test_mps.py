"""The private MPS daemon, with a program that stands in for NVIDIA's and real processes; no GPU is needed."""

from __future__ import annotations

import json
import logging
import os
import shutil
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from support.builders import config
from support.mps import calls, daemons, folders, installed

from hpmkd.cluster import mps, mps_control, ray_session
from hpmkd.cluster.mps_control import CONTROL, LOGS, PIPE, VISIBLE
from hpmkd.cluster.ray_processes import MARK, VITAL, lives
from hpmkd.cluster.stop_signals import Interrupted, StopSignals
from hpmkd.errors import EnvironmentProblem
from hpmkd.store.output_dir import OutputDir


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where the stand-in records what is asked of it."""
    yield from installed(tmp_path, monkeypatch)


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO, "hpmkd.progress")
    return caplog


def lines(said: pytest.LogCaptureFixture) -> list[str]:
    return [line for line in said.messages if "MPS" in line]


@pytest.fixture
def workers_env(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, str]]:
    """Ray is not started, and counts as alive: what its processes would inherit is kept instead."""
    seen: list[dict[str, str]] = []
    monkeypatch.setattr(ray_session, "VITAL", ())
    monkeypatch.setattr(ray_session.ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray_session.ray, "shutdown", lambda: None)
    monkeypatch.setattr(ray_session.ray, "init", lambda **given: seen.append(dict(os.environ)))
    return seen


def running(output: OutputDir, stop: StopSignals, **settings: Any) -> Any:
    given = config(**{f"resources__{name}": value for name, value in settings.items()})
    return ray_session.running_ray(given, output, stop, verbose=False)


@pytest.fixture
def stop() -> Iterator[StopSignals]:
    with StopSignals() as signals:
        yield signals


def test_ray_gets_a_daemon_of_its_own_that_ends_with_it(
    machine: Path, tmp_path: Path, stop: StopSignals, workers_env: list[dict[str, str]], said: pytest.LogCaptureFixture
) -> None:
    output = OutputDir(tmp_path / "out")
    output.root.mkdir()
    with running(output, stop):
        (env,) = workers_env
        daemon = json.loads((machine / "daemon.json").read_text())
        (folder,) = folders(output)
        assert env[PIPE] == daemon[PIPE] == str(folder / "pipe")
        assert env[LOGS] == daemon[LOGS] == str(folder / "log")
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert daemon[MARK] == json.loads(output.ray_file.read_text())["mark"]
        assert daemon["CUDA_MPS_PROTOCOL_VERSION"] == "2"
        assert "CUDA_MPS_ACTIVE_THREAD_PERCENTAGE" not in daemon
        assert len(found := daemons(machine)) == 2, "the control daemon and its server"
        noted = [pid for pid, _ in json.loads(output.ray_file.read_text())["processes"]]
        assert {process.pid for process in found} <= set(noted)
        assert not {PIPE, LOGS, MARK} & set(os.environ), "not for what else this process starts"
    assert calls(machine) == ["-d", "get_server_list", "quit"]
    assert daemons(machine) == []
    assert folders(output) == []
    assert not output.ray_file.exists()
    assert lines(said) == ["MPS is on: trials that share a GPU work at the same time"]


def test_a_second_ray_gets_a_second_daemon(
    machine: Path, tmp_path: Path, stop: StopSignals, workers_env: list[dict[str, str]]
) -> None:
    """As after the death of a raylet."""
    for _ in range(2):
        with running(OutputDir(tmp_path), stop):
            assert len(daemons(machine)) == 2
        assert daemons(machine) == []
    first, second = workers_env
    assert first[PIPE] != second[PIPE]
    assert calls(machine).count("-d") == calls(machine).count("quit") == 2


def test_one_that_does_not_quit_is_killed(
    machine: Path,
    tmp_path: Path,
    stop: StopSignals,
    workers_env: list[dict[str, str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("STAND_IN", "deaf")
    monkeypatch.setattr(mps, "QUIT_SECONDS", 0.3)
    with running(OutputDir(tmp_path), stop):
        found = daemons(machine)
    assert calls(machine)[-1] == "quit"
    assert len(found) == 2
    assert daemons(machine) == []
    assert folders(OutputDir(tmp_path)) == []


@pytest.mark.parametrize(
    ("behaviour", "why"),
    [
        ("refuse", f"{CONTROL} -d: [stamp Control 1] not permitted here"),
        ("slow", f"{CONTROL} -d: no answer within 1 seconds"),
        ("client", "a CUDA client fails: cuInit: CUDA_ERROR_MPS_CONNECTION_FAILED"),
        ("client, and deaf", "a CUDA client fails: cuInit: CUDA_ERROR_MPS_CONNECTION_FAILED"),
        ("no server", "a CUDA client ran, but without the daemon's server"),
        ("absent", f"{CONTROL} is not on PATH"),
        ("broken", f"{CONTROL} -d: [Errno 8] Exec format error"),
    ],
)
def test_where_it_cannot_be_started_one_line_says_so_and_ray_runs_without(
    behaviour: str,
    why: str,
    machine: Path,
    tmp_path: Path,
    stop: StopSignals,
    workers_env: list[dict[str, str]],
    said: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("STAND_IN", behaviour)
    monkeypatch.setattr(mps_control, "CONTROL_SECONDS", 1.0 if behaviour == "slow" else 30.0)
    monkeypatch.setattr(mps, "QUIT_SECONDS", 0.3 if "deaf" in behaviour else 30.0)
    if behaviour == "absent":
        (tmp_path / "bin" / CONTROL).unlink()
    if behaviour == "broken":
        (tmp_path / "bin" / CONTROL).write_bytes(b"\x7fELF")
    with running(OutputDir(tmp_path), stop):
        assert folders(OutputDir(tmp_path)) == []
        assert daemons(machine) == []
    assert not {PIPE, LOGS} & set(workers_env[0])
    (line,) = lines(said)
    assert line.startswith(f"MPS is off, so trials that share a GPU take turns: {why}")
    if behaviour not in ("absent", "broken"):
        said.clear()
        wanted = running(OutputDir(tmp_path), stop, mps=True)
        with pytest.raises(EnvironmentProblem, match=r"resources\.mps: the MPS daemon") as caught, wanted:
            pytest.fail("it started")
        assert caught.value.exit_code == 3
        assert why in (caught.value.found or "")
        assert daemons(machine) == folders(OutputDir(tmp_path)) == lines(said) == []


def test_it_is_said_once_though_ray_is_started_twice(
    machine: Path,
    tmp_path: Path,
    stop: StopSignals,
    workers_env: list[dict[str, str]],
    said: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def init(**given: Any) -> None:
        workers_env.append({})
        if len(workers_env) == 1:
            raise RuntimeError("the raylet died")

    monkeypatch.setenv("STAND_IN", "refuse")
    monkeypatch.setattr(ray_session.ray, "init", init)
    with running(OutputDir(tmp_path), stop):
        assert len(workers_env) == 2
    assert len(lines(said)) == len(calls(machine)) - calls(machine).count("quit") == 1


def test_what_the_user_runs_is_used_and_left_alone(
    machine: Path,
    tmp_path: Path,
    stop: StopSignals,
    workers_env: list[dict[str, str]],
    said: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(PIPE, "/somewhere/pipe")
    for mode in ("auto", True):
        with running(OutputDir(tmp_path), stop, mps=mode):
            pass
    assert [env[PIPE] for env in workers_env] == ["/somewhere/pipe"] * 2
    assert os.environ[PIPE] == "/somewhere/pipe"
    assert calls(machine) == []
    assert (
        lines(said)
        == [f"MPS: trials use the daemon that is there already ({PIPE}=/somewhere/pipe), which stays as it is"] * 2
    )


def test_a_daemon_at_the_default_place_is_used_too_while_it_lives(
    machine: Path, tmp_path: Path, stop: StopSignals, workers_env: list[dict[str, str]], said: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "default").mkdir()
    own = {**os.environ, PIPE: str(tmp_path / "default"), LOGS: str(tmp_path), MARK: f"users-own-{os.getpid()}"}
    subprocess.run([CONTROL, "-d"], env=own, check=True)
    with running(OutputDir(tmp_path), stop):
        assert PIPE not in workers_env[0]
    assert str(tmp_path / "default") in lines(said)[0]
    (users,) = daemons(machine)
    users.kill()
    while lives(users):  # the signal is on its way
        time.sleep(0.01)
    with running(OutputDir(tmp_path), stop):
        assert PIPE in workers_env[1], "its pid file alone is no daemon"


@pytest.mark.parametrize(
    "settings",
    [
        {"device": "cpu"},
        {"gpus_per_trial": 1.0},
        {"gpus_per_trial": 0.0},
        {"gpus_per_trial": 0.6},
        {"max_concurrent": 1},
        {"mps": False},
    ],
)
def test_not_where_trials_share_no_gpu(
    settings: dict[str, Any],
    machine: Path,
    tmp_path: Path,
    stop: StopSignals,
    workers_env: list[dict[str, str]],
    said: pytest.LogCaptureFixture,
) -> None:
    with running(OutputDir(tmp_path), stop, **settings):
        pass
    assert PIPE not in workers_env[0]
    assert calls(machine) == lines(said) == []


@pytest.mark.parametrize("settings", [{}, {"gpus_per_trial": None}, {"gpus_per_trial": 0.5}, {"device": "cuda"}])
def test_where_they_may(settings: dict[str, Any]) -> None:
    assert mps.pays(config(**{f"resources__{name}": value for name, value in settings.items()}))


@pytest.mark.parametrize("hidden", ["", "-1", "no device files", "another system"])
def test_without_a_gpu_nothing_is_said(
    hidden: str,
    machine: Path,
    tmp_path: Path,
    stop: StopSignals,
    workers_env: list[dict[str, str]],
    said: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if hidden == "no device files":
        monkeypatch.setattr(mps, "GPU_FILES", str(tmp_path / "nothing[0-9]*"))
    elif hidden == "another system":
        monkeypatch.setattr(mps, "sys", SimpleNamespace(platform="darwin"))
    else:
        monkeypatch.setenv(VISIBLE, hidden)
    with running(OutputDir(tmp_path), stop):
        pass
    assert calls(machine) == lines(said) == []


@pytest.mark.parametrize("settings", [{"device": "cpu"}, {"gpus_per_trial": 0.0}, {"address": "127.0.0.1:6379"}])
def test_asked_for_where_it_cannot_be(
    settings: dict[str, Any], machine: Path, tmp_path: Path, stop: StopSignals, workers_env: list[dict[str, str]]
) -> None:
    wanted = running(OutputDir(tmp_path), stop, mps=True, **settings)
    with pytest.raises(EnvironmentProblem, match=r"resources\.mps"), wanted:
        pytest.fail("it started")
    assert workers_env == calls(machine) == folders(OutputDir(tmp_path)) == []


def test_never_for_a_ray_that_runs_already(
    machine: Path, tmp_path: Path, stop: StopSignals, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ray_session.ray, "is_initialized", lambda: True)
    with running(OutputDir(tmp_path), stop):
        assert calls(machine) == []
    with pytest.raises(EnvironmentProblem, match="runs in this process"), running(OutputDir(tmp_path), stop, mps=True):
        pytest.fail("it went on")


@pytest.mark.parametrize(
    ("visible", "given"),
    [
        ("0", "0"),
        ("0,1", "0,1"),
        ("GPU-1,MIG-2", "GPU-1,MIG-2"),
        ("1,0", "GPU-aaaa,GPU-bbbb"),
        ("3", "GPU-aaaa,GPU-bbbb"),
    ],
)
def test_daemon_and_workers_call_the_gpus_alike(
    visible: str,
    given: str,
    machine: Path,
    tmp_path: Path,
    stop: StopSignals,
    workers_env: list[dict[str, str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A daemon renumbers what it sees: to its clients the only GPU of `3` is 0."""
    monkeypatch.setenv(VISIBLE, visible)
    with running(OutputDir(tmp_path), stop):
        assert workers_env[0][VISIBLE] == given
        assert json.loads((machine / "daemon.json").read_text())[VISIBLE] == given
        assert (machine / "client").read_text() == given
        assert os.environ[VISIBLE] == visible


def test_where_the_temp_folder_is_too_deep_for_sockets_another_is_taken(
    machine: Path,
    tmp_path: Path,
    stop: StopSignals,
    workers_env: list[dict[str, str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    deep, output = tmp_path / ("x" * 90), OutputDir(tmp_path)
    deep.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(deep))
    with running(output, stop):
        folder = Path(workers_env[0][PIPE]).parent
        assert len(str(folder / "pipe" / "control_privileged")) <= 107
        assert not list(deep.glob("*mps-*"))
        shutil.copytree(folder, f"{folder}-copy")
    assert not folder.exists()
    assert output.remove_scratch() == 1, "it is found there, too, after a kill"
    monkeypatch.setattr(mps_control, "SHORT_TEMP", deep)
    with running(output, stop):
        assert PIPE not in workers_env[1]


@pytest.mark.parametrize("fault", [KeyboardInterrupt(), RuntimeError("the raylet died"), Interrupted("lost")])
def test_a_start_or_a_body_that_fails_leaves_nothing(
    fault: BaseException,
    machine: Path,
    tmp_path: Path,
    stop: StopSignals,
    workers_env: list[dict[str, str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if isinstance(fault, Interrupted):
        monkeypatch.setattr(ray_session, "VITAL", VITAL)  # then none of them lives
    with pytest.raises(type(fault)), running(OutputDir(tmp_path), stop):
        raise fault
    assert daemons(machine) == folders(OutputDir(tmp_path)) == []

    def init(**given: Any) -> None:
        assert len(daemons(machine)) == 2
        raise fault

    monkeypatch.setattr(ray_session.ray, "init", init)
    with pytest.raises(BaseException), running(OutputDir(tmp_path), stop):  # noqa: B017, PT011
        pytest.fail("it started")
    assert daemons(machine) == folders(OutputDir(tmp_path)) == []
    assert not {PIPE, LOGS} & set(os.environ)


def test_a_second_signal_leaves_nothing(
    machine: Path, tmp_path: Path, stop: StopSignals, workers_env: list[dict[str, str]]
) -> None:
    """It runs `force_stop`, after which the process may exit at once."""
    with running(OutputDir(tmp_path), stop):
        assert len(daemons(machine)) == 2
        stop.force_stop()
        assert daemons(machine) == folders(OutputDir(tmp_path)) == []
