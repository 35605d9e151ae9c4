"""The command as its own process, stopped in every way in the middle of training, then continued."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support.sweeps import ROOT, restore, stamps, start, weights, words

from hpmkd.store.output_dir import OutputDir
from hpmkd.store.progress_log import read_all

LONG = ["--baselines", "TraditionalKD", "FitNets", "--student-epochs", "100", "--record.checkpoint_overhead", "1"]
LONG += ["--max-concurrent", "2"]
ONE = "student_Digits_FitNets_run1"


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory, cache_dir: Path, small_ray: None) -> dict[str, str]:
    """Weights of the sweep that nobody stopped."""
    output = tmp_path_factory.mktemp("whole") / "out"
    assert start(output, cache_dir, *LONG) == 0
    return weights(output)


def saved(output: Path) -> set[Path]:
    """Epoch checkpoints of the student that trains long."""
    return set(output.glob(f"tune/round*/{ONE}-*/checkpoint_*/epoch.json"))


def mark(output: OutputDir) -> str:
    """Tells one start's Ray from another's; empty while there is none."""
    return str(json.loads(output.ray_file.read_text())["mark"]) if output.ray_file.exists() else ""


@contextmanager
def running(output: Path, arguments: list[str]) -> Iterator[subprocess.Popen[str]]:
    """The sweep in a process group of its own, waited for until the student has saved an epoch of this start.

    Workers of a killed driver train on for some seconds: what they save before this start has ended them is not its.
    """
    before, earlier = mark(OutputDir(output)), set[Path]()
    command = [sys.executable, str(ROOT / "run_sweep.py"), *arguments]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, start_new_session=True) as process:
        deadline = time.monotonic() + 120
        begun = False
        while not begun or not saved(output) - earlier:
            if not begun and mark(OutputDir(output)) not in ("", before):
                begun, earlier = True, saved(output)
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline, "no epoch was saved in two minutes"
            time.sleep(0.05)
        yield process
        process.kill()


@pytest.mark.slow
@pytest.mark.parametrize(
    "ways",
    [
        (signal.SIGKILL, signal.SIGINT),
        pytest.param((signal.SIGTERM, signal.SIGKILL, signal.SIGINT, signal.SIGTERM), marks=pytest.mark.slow),
    ],
)
def test_stopped_in_every_way_one_after_the_other(
    ways: tuple[signal.Signals, ...],
    tmp_path: Path,
    cache_dir: Path,
    uninterrupted: dict[str, str],
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Ctrl-C reaches the whole process group, Ray's processes included. What is done is never touched again."""
    output, done = tmp_path / "out", dict[str, int]()
    for number in ways:
        arguments = ["--restore", str(output)] if done else words(output, cache_dir, *LONG)
        with running(output, arguments) as process:
            os.killpg(process.pid, number) if number == signal.SIGINT else os.kill(process.pid, number)
            if number == signal.SIGKILL:
                process.wait()  # its workers hold the pipes for some seconds more
            else:
                out, error = process.communicate(timeout=60)
                assert process.returncode == 128 + number
                assert ("FitNets run 1/1 Digits: continues after epoch" in out) == bool(done)
                assert f"--restore {output}" in error
                assert "Traceback" not in out + error
        assert {name: stamps(output)[name] for name in done} == done
        done = stamps(output)
        assert "teacher_Digits.pt" in done
        assert f"{ONE}.pt" not in done
    assert restore(output) == 0
    assert "FitNets run 1/1 Digits: continues after epoch" in capfd.readouterr().out
    assert {name: stamps(output)[name] for name in done} == done
    assert weights(output) == uninterrupted
    assert incomplete(output) == {}


def incomplete(output: Path) -> dict[str, list[int]]:
    """Which epochs the learning curves of finished models have, where they have not all, or no end."""
    found = {key: one for key, one in read_all(OutputDir(output)).items() if one.of}
    return {
        key: [row["epoch"] for row in one.epochs]
        for key, one in found.items()
        if one.state != "ended" or [row["epoch"] for row in one.epochs] != list(range(1, one.of + 1))
    }


@pytest.mark.slow
@pytest.mark.parametrize("times", range(3))
def test_killed_as_soon_as_a_model_is_there(times: int, tmp_path: Path, cache_dir: Path) -> None:
    """Its last epochs were to be reported with its end: nobody has heard of them, and its curve has them, too."""
    output = tmp_path / "out"
    arguments = words(output, cache_dir, "--baselines", "Direct", "--runs", "3", "--student-epochs", "4")
    command = [sys.executable, str(ROOT / "run_sweep.py"), *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        deadline = time.monotonic() + 120
        while len(list(output.glob("models/student*.pt"))) <= times:
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.002)
        process.kill()
        process.wait()
        assert restore(output) == 0
    assert incomplete(output) == {}
    assert not list(output.glob("progress/*.epochs"))
