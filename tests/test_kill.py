"""The command as its own process, stopped in every way in the middle of training, then continued."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sweeps import restore, stamps, start, weights, words

ROOT = Path(__file__).resolve().parents[1]
LONG = ["--baselines", "TraditionalKD", "FitNets", "--student-epochs", "150", "--record.checkpoint_overhead", "1"]
ONE = "student_Digits_FitNets_run1"


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory, cache_dir: Path, small_ray: None) -> dict[str, str]:
    """Weights of the sweep that nobody stopped."""
    output = tmp_path_factory.mktemp("whole") / "out"
    assert start(output, cache_dir, *LONG) == 0
    return weights(output)


@pytest.fixture
def process(tmp_path: Path, cache_dir: Path) -> Iterator[subprocess.Popen[str]]:
    """The sweep in a process group of its own, waited for until a student has saved an epoch."""
    command = [sys.executable, str(ROOT / "run_sweep.py"), *words(tmp_path / "out", cache_dir, *LONG)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, start_new_session=True) as running:
        deadline = time.monotonic() + 120
        pattern = f"tune/round000/{ONE}-*/checkpoint_*/epoch.json"
        while not list((tmp_path / "out").glob(pattern)):
            assert running.poll() is None, running.communicate()
            assert time.monotonic() < deadline, "no epoch was saved in two minutes"
            time.sleep(0.05)
        yield running
        running.kill()


def goes_on(output: Path, uninterrupted: dict[str, str], said: str, before: dict[str, int]) -> None:
    """After `--restore`: what was done is untouched, what was in flight went on, and all weights are the same."""
    assert "FitNets run 1/1 Digits: goes on after epoch" in said
    after = stamps(output)
    assert {name: after[name] for name in before} == before
    assert weights(output) == uninterrupted


def test_kill_9(
    process: subprocess.Popen[str],
    tmp_path: Path,
    uninterrupted: dict[str, str],
    capfd: pytest.CaptureFixture[str],
) -> None:
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    output = tmp_path / "out"
    before = stamps(output)
    assert "teacher_Digits.pt" in before
    assert f"{ONE}.pt" not in before
    time.sleep(5)  # workers of a killed driver live on for some seconds, and may finish what they do
    finished_meanwhile = stamps(output).keys() - before.keys()
    if f"{ONE}.pt" in finished_meanwhile:
        pytest.skip("the worker finished the model after its driver had died")
    assert restore(output) == 0
    goes_on(output, uninterrupted, capfd.readouterr().out, before)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_asked_to_stop(
    number: signal.Signals,
    process: subprocess.Popen[str],
    tmp_path: Path,
    uninterrupted: dict[str, str],
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Ctrl-C reaches the whole process group, Ray's processes included."""
    os.killpg(process.pid, number) if number == signal.SIGINT else os.kill(process.pid, number)
    out, error = process.communicate(timeout=60)
    assert process.returncode == 128 + number
    output = tmp_path / "out"
    assert f"--restore {output}" in error
    assert "Traceback" not in out + error
    before = stamps(output)
    assert restore(output) == 0
    goes_on(output, uninterrupted, capfd.readouterr().out, before)
