"""Real sweeps beside their MPS daemon, which a program stands in for: they end, are stopped, and are killed."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.mps import calls, daemons, folders, installed

from hpmkd.cluster import mps, mps_control
from hpmkd.cluster.ray_processes import end_leftovers
from hpmkd.store.output_dir import OutputDir

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
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where the stand-in records what is asked of it."""
    yield from installed(tmp_path, monkeypatch)


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


@pytest.mark.slow
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


@pytest.mark.parametrize(
    ("number", "times"), [pytest.param(signal.SIGTERM, 1, marks=pytest.mark.slow), (signal.SIGINT, 2)]
)
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


@pytest.mark.slow
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
