"""The private MPS daemon, with a program that stands in for NVIDIA's and real processes; no GPU is needed."""

from __future__ import annotations

import json
import logging
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
from support.builders import config

from hpmkd.cluster import mps, mps_control, ray_session
from hpmkd.cluster.mps_control import CONTROL, LOGS, PIPE, VISIBLE
from hpmkd.cluster.ray_processes import MARK, VITAL, RayProcesses, end_leftovers
from hpmkd.cluster.stop_signals import Interrupted, StopSignals
from hpmkd.errors import EnvironmentProblem
from hpmkd.store.output_dir import OutputDir

# As NVIDIA's: -d forks a daemon into the background; without it the lines of the input are commands for the daemon of
# the pipe folder. STAND_IN says how to misbehave, RECORD is where calls and the daemon's environment are written.
PROGRAM = """#!{python}
import json, os, pathlib, sys, time
pipe, record = pathlib.Path(os.environ["CUDA_MPS_PIPE_DIRECTORY"]), pathlib.Path(os.environ["RECORD"])
log = pathlib.Path(os.environ["CUDA_MPS_LOG_DIRECTORY"], "control.log")
pid_file, behaviour = pipe / "nvidia-cuda-mps-control.pid", os.environ.get("STAND_IN", "")
def note(text):
    with (record / "calls").open("a") as file:
        file.write(text + "\\n")
def daemon():
    pid_file.write_text(str(os.getpid()))
    (record / "daemon.json").write_text(json.dumps(dict(os.environ)))
    while True:
        if (pipe / "client").exists() and not (pipe / "servers").exists() and behaviour != "no server":
            server = os.fork()
            if server == 0:
                time.sleep(600)
            (pipe / "servers").write_text(str(server))
        if (pipe / "quit").exists() and "deaf" not in behaviour:
            if (pipe / "servers").exists():
                os.kill(int((pipe / "servers").read_text()), 9)
            pid_file.unlink()
            os._exit(0)
        time.sleep(0.01)
if sys.argv[1:] == ["-d"]:
    note("-d")
    if behaviour == "refuse":
        log.write_text("[stamp Control 1] first\\n[stamp Control 1] not permitted here\\n")
        sys.exit(1)
    if behaviour == "slow":
        time.sleep(600)
    if os.fork() == 0:
        os.setsid()
        daemon()
    while not pid_file.exists():
        time.sleep(0.01)
    os._exit(0)
for line in sys.stdin:
    command = line.strip()
    note(command)
    if command == "get_server_list" and (pipe / "servers").exists():
        print((pipe / "servers").read_text())
    if command == "quit":
        (pipe / "quit").touch()
        while "deaf" not in behaviour and pid_file.exists():
            time.sleep(0.01)
"""
CLIENT = """
import os, pathlib, sys, time
if sys.argv[1] == "devices":
    print("GPU-aaaa\\nGPU-bbbb")
    sys.exit()
if "client" in os.environ.get("STAND_IN", ""):
    print("cuInit: CUDA_ERROR_MPS_CONNECTION_FAILED")
    sys.exit(1)
pipe = pathlib.Path(os.environ["CUDA_MPS_PIPE_DIRECTORY"])
pathlib.Path(os.environ["RECORD"], "client").write_text(os.environ.get("CUDA_VISIBLE_DEVICES", ""))
(pipe / "client").touch()
while os.environ.get("STAND_IN") != "no server" and not (pipe / "servers").exists():
    time.sleep(0.01)
"""


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A machine with two NVIDIA GPUs and the control program; what is called is recorded in the folder."""
    record = tmp_path / "record"
    for folder in ("bin", "record", "dev"):
        (tmp_path / folder).mkdir()
    for name in ("nvidia0", "nvidia1", "nvidiactl", "nvidia-uvm"):
        (tmp_path / "dev" / name).touch()
    program = tmp_path / "bin" / CONTROL
    program.write_text(PROGRAM.replace("{python}", sys.executable))
    program.chmod(0o755)
    (tmp_path / "client.py").write_text(CLIENT)
    monkeypatch.setattr(mps, "GPU_FILES", str(tmp_path / "dev" / "nvidia[0-9]*"))
    monkeypatch.setattr(mps, "DEFAULT_PIPE", tmp_path / "default")
    monkeypatch.setattr(mps_control, "CLIENT", tmp_path / "client.py")
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    monkeypatch.setenv("RECORD", str(record))
    for name in (PIPE, LOGS, VISIBLE, "STAND_IN"):
        monkeypatch.delenv(name, raising=False)
    yield record
    if (record / "daemon.json").exists():  # whatever a test has left running
        mark = json.loads((record / "daemon.json").read_text()).get(MARK, "none")
        RayProcesses(tmp_path / "ray.json", mark).end()


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO, "hpmkd.progress")
    return caplog


def lines(said: pytest.LogCaptureFixture) -> list[str]:
    return [line for line in said.messages if "MPS" in line]


def calls(record: Path) -> list[str]:
    return (record / "calls").read_text().split("\n")[:-1] if (record / "calls").exists() else []


def folders(output: OutputDir) -> list[Path]:
    return list(Path(tempfile.gettempdir()).glob(f"{output.scratch_prefix}mps-*"))


def daemons(record: Path) -> list[psutil.Process]:
    """The stand-in's daemon and server that live, by the mark in their environment."""
    if not (record / "daemon.json").exists():
        return []
    mark = json.loads((record / "daemon.json").read_text())[MARK]
    return RayProcesses(record / "none.json", mark).named("nvidia-cuda-mps")


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
    with running(OutputDir(tmp_path), stop):
        assert PIPE in workers_env[1], "its pid file alone is no daemon"


@pytest.mark.parametrize(
    "settings",
    [
        {"device": "cpu"},
        {"gpus_per_trial": 1.0},
        {"gpus_per_trial": 2.0},
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


DRIVER = """
import os, sys, time
from pathlib import Path
import ray
from hpmkd.cli.main import run_command
from hpmkd.cluster import mps, mps_control
mps.GPU_FILES, mps.DEFAULT_PIPE, mps_control.CLIENT = {files!r}, Path("/nowhere"), Path({client!r})
import hpmkd.sweep.driver as driver
run = driver.SweepState.run
def with_a_look(self):
    names = ("CUDA_MPS_PIPE_DIRECTORY", "CUDA_MPS_LOG_DIRECTORY")
    look = ray.remote(lambda: [os.environ.get(name, "") for name in names] + [str(os.getppid())])
    Path(os.environ["RECORD"], "worker").write_text("\\n".join(ray.get(look.remote())))
    run(self)
driver.SweepState.run = with_a_look
if __name__ == "__main__":
    sys.exit(run_command(sys.argv[1:], "run_sweep.py"))
"""


@pytest.fixture
def sweep(machine: Path, tmp_path: Path, cache_dir: Path) -> Iterator[subprocess.Popen[str]]:
    """A real small sweep on a Ray of its own, that takes the stand-in's GPUs for real; it trains on the CPU."""
    code = DRIVER.format(files=mps.GPU_FILES, client=str(mps_control.CLIENT))
    words = ["--mode", "quick", "-o", str(tmp_path / "out"), "--data.cache_dir", str(cache_dir), "--runs", "1"]
    words += ["--baselines", "Direct", "--train-images", "100", "--teacher-epochs", "1", "--student-epochs", "20"]
    with subprocess.Popen(
        [sys.executable, "-c", code, *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        deadline = time.monotonic() + 180
        while not (machine / "worker").exists():
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.1)
        yield process
        process.kill()


def test_a_real_sweep_runs_beside_its_daemon_and_ends_with_it(
    machine: Path, tmp_path: Path, sweep: subprocess.Popen[str]
) -> None:
    (folder,) = folders(OutputDir(tmp_path / "out"))
    assert (machine / "worker").read_text().split("\n")[:2] == [str(folder / "pipe"), str(folder / "log")]
    assert len(daemons(machine)) == 2
    text, _ = sweep.communicate(timeout=300)
    assert sweep.returncode == 0, text
    assert text.count("MPS is on") == 1
    assert (tmp_path / "out/models/student_Digits_Direct_run1.pt").exists()
    assert calls(machine) == ["-d", "get_server_list", "quit"]
    assert daemons(machine) == folders(OutputDir(tmp_path / "out")) == []


@pytest.mark.parametrize(("number", "times"), [(signal.SIGTERM, 1), (signal.SIGINT, 2)])
def test_a_real_sweep_that_is_stopped_leaves_nothing(
    number: int, times: int, machine: Path, tmp_path: Path, sweep: subprocess.Popen[str]
) -> None:
    """The second signal kills what it waits for."""
    for _ in range(times):
        sweep.send_signal(number)
        time.sleep(0.3)
    text, _ = sweep.communicate(timeout=60)
    assert sweep.returncode == 128 + number, text
    assert daemons(machine) == folders(OutputDir(tmp_path / "out")) == []


def test_what_a_killed_sweep_leaves_the_next_start_ends_and_removes(
    machine: Path, tmp_path: Path, sweep: subprocess.Popen[str]
) -> None:
    output = OutputDir(tmp_path / "out")
    sweep.send_signal(signal.SIGKILL)
    sweep.wait()
    assert len(daemons(machine)) == 2, "it outlives its driver"
    assert end_leftovers(output.ray_file) >= 2
    assert daemons(machine) == []
    output.remove_scratch()
    assert folders(output) == []
