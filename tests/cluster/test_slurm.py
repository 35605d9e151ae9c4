"""The batch script for SLURM, run by bash beside stand-ins for SLURM's programs."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hpmkd.cluster.slurm import BatchJob, seconds_of

SAVES = "trap 'echo saved; exit 143' TERM; echo works; sleep 60 > /dev/null & wait"


@pytest.fixture
def bash(tmp_path: Path):
    """Starts a script as SLURM would; `scontrol` says what it was asked."""
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "scontrol").write_text(f'#!/bin/bash\necho "$@" >> {tmp_path}/asked\n')
    (tools / "scontrol").chmod(0o755)
    started = []

    def begin(job: BatchJob) -> subprocess.Popen[str]:
        env = {**os.environ, "PATH": f"{tools}:{os.environ['PATH']}", "SLURM_JOB_ID": "7"}
        process = subprocess.Popen(
            ["bash", "-c", job.script()], env=env, stdout=subprocess.PIPE, text=True, start_new_session=True
        )
        started.append(process)
        return process

    yield begin
    for process in started:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def job(tmp_path: Path, *command: str, **more) -> BatchJob:
    return BatchJob("hpmkd-full", command, tmp_path, **more)


def asked(tmp_path: Path) -> str:
    file = tmp_path / "asked"
    return file.read_text() if file.exists() else ""


@pytest.mark.parametrize("code", [0, 1, 3, 4])
def test_the_sweeps_own_exit_code(bash, tmp_path: Path, code: int) -> None:
    process = bash(job(tmp_path, "bash", "-c", f"pwd; exit {code}"))
    said, _ = process.communicate(timeout=30)
    assert (process.returncode, said.strip()) == (code, str(tmp_path))
    assert asked(tmp_path) == ""


def test_out_of_time(bash, tmp_path: Path) -> None:
    """SIGTERM reaches the sweep, which saves; then the job queues again."""
    process = bash(job(tmp_path, "bash", "-c", SAVES))
    assert process.stdout.readline() == "works\n"
    process.send_signal(signal.SIGTERM)
    said, _ = process.communicate(timeout=30)
    assert "saved\nqueued again" in said
    assert process.returncode == 143
    assert asked(tmp_path) == "requeue 7\n"


def test_finished_in_the_last_moment(bash, tmp_path: Path) -> None:
    process = bash(
        job(tmp_path, "bash", "-c", "trap 'echo done; exit 0' TERM; echo works; sleep 60 > /dev/null & wait")
    )
    process.stdout.readline()
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)
    assert process.returncode == 0
    assert asked(tmp_path) == ""


def test_a_signal_at_any_moment_queues_again(bash, tmp_path: Path) -> None:
    for pause in (0.0, 0.01, 0.03, 0.1):
        (tmp_path / "asked").unlink(missing_ok=True)
        process = bash(job(tmp_path, "bash", "-c", SAVES))
        time.sleep(pause)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)
        # Before the trap is set the signal ends the script itself, and nothing has begun.
        assert (process.returncode, asked(tmp_path)) in [(143, "requeue 7\n"), (-15, "")]


def test_words_are_quoted(bash, tmp_path: Path) -> None:
    folder = tmp_path / "it's a folder"
    folder.mkdir()
    words = [
        sys.executable,
        "-c",
        "import sys, os; print(sys.argv[1:], os.getcwd(), os.environ['WHICH'])",
        "a b",
        "$HOME",
        "'",
    ]
    process = bash(BatchJob("x", words, folder, setup=["export WHICH=cuda"]))
    said, _ = process.communicate(timeout=30)
    assert said.strip() == f"{['a b', '$HOME', chr(39)]} {folder} cuda"


@pytest.mark.parametrize("nodes", [1, 3])
def test_the_options(tmp_path: Path, nodes: int) -> None:
    text = job(tmp_path, "true", nodes=nodes, options=["--time=4:00:00", "--gpus-per-node=2"], grace=90).script()
    head = [line for line in text.splitlines() if line.startswith("#SBATCH")]
    assert f"#SBATCH --nodes={nodes}" in head
    assert {"#SBATCH --time=4:00:00", "#SBATCH --gpus-per-node=2", "#SBATCH --requeue"} < set(head)
    assert "#SBATCH --signal=B:TERM@90" in head
    assert text.startswith("#!/bin/bash\n")
    assert ("ray.scripts.scripts" in text) == (nodes > 1)
    assert subprocess.run(["bash", "-n"], input=text, text=True, check=False).returncode == 0
    # sbatch reads its options up to the first line that is no comment.
    first = next(number for number, line in enumerate(text.splitlines()) if line and not line.startswith("#"))
    assert not any(line.startswith("#SBATCH") for line in text.splitlines()[first:])


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("30", 1800), ("30:10", 1810), ("4:00:00", 14400), ("1-0", 86400), ("1-12:30", 131400),
        ("2-03:04:05", 183845),
    ],
)  # fmt: skip
def test_times(text: str, seconds: int) -> None:
    assert seconds_of(text) == seconds


@pytest.mark.parametrize("text", ["", "4h", "1-", "4:0:0", "-5", "1:2:3:4", "1 2"])
def test_no_times(text: str) -> None:
    assert seconds_of(text) is None
