"""A sweep under a real SLURM on this machine: out of time, queued again by somebody, on two nodes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.slurm import Slurm, refused, slurm
from support.sweeps import start, weights, words

from hpmkd.cli.main import main

LONG = ["--baselines", "TraditionalKD", "FitNets", "--student-epochs", "150", "--record.checkpoint_overhead", "1"]
pytestmark = pytest.mark.slow


@pytest.fixture
def there(tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Slurm]:
    why = refused()
    if why:
        pytest.skip(why)
    base = tmp_path / "slurm"
    base.mkdir()
    monkeypatch.chdir(base)
    with slurm(base, nodes=getattr(request, "param", 1)) as made:
        yield made


def submitted(there: Slurm, *more: str) -> str:
    script = there.base / "job.sbatch"
    assert main(["slurm", "quick", "--script", str(script), *more]) == 0
    return there.call("sbatch", "--parsable", str(script)).strip()


def log(there: Slurm, number: str) -> str:
    return (there.base / f"hpmkd-quick-{number}.log").read_text()


def test_queued_again_and_out_of_time(there: Slurm, tmp_path: Path, cache_dir: Path, small_ray: None) -> None:
    """Somebody requeues it in the middle of training; then its time is over; then it is finished, to the same bits."""
    assert start(tmp_path / "whole", cache_dir, *LONG) == 0
    out = tmp_path / "out"
    number = submitted(there, "--time", "2", "--grace", "60", *words(out, cache_dir, *LONG))
    end = time.monotonic() + 200
    while not list(out.glob("tune/round*/student*/checkpoint_*/epoch.json")):
        assert time.monotonic() < end, there.logs()
        time.sleep(0.2)
    there.call("scontrol", "requeue", number)
    found = there.wait(number, ["COMPLETED", "FAILED", "TIMEOUT", "CANCELLED"], 600)
    assert found["JobState"] == "COMPLETED", log(there, number)
    assert int(found["Restarts"]) >= 1
    assert weights(out) == weights(tmp_path / "whole")
    said = log(there, number)
    assert said.count("saved teacher") == 1, said


@pytest.mark.parametrize("there", [2], indirect=True)
def test_two_nodes(there: Slurm, tmp_path: Path, cache_dir: Path) -> None:
    out = tmp_path / "out"
    number = submitted(there, "--nodes", "2", *words(out, cache_dir, "--baselines", "Direct"))
    found = there.wait(number, ["COMPLETED", "FAILED", "TIMEOUT", "CANCELLED"], 300)
    assert found["JobState"] == "COMPLETED", log(there, number) + there.logs()
    assert "on a cluster of 2 nodes" in log(there, number)
    assert len(weights(out)) == 2


def test_a_sweep_that_cannot_run_is_not_queued_again(there: Slurm, tmp_path: Path, cache_dir: Path) -> None:
    number = submitted(there, *words(tmp_path / "out", cache_dir, "--datasets", "MNIST", "--data-dir", str(tmp_path)))
    found = there.wait(number, ["COMPLETED", "FAILED"], 120)
    assert (found["JobState"], found["Restarts"]) == ("FAILED", "0")
    assert found["ExitCode"] == "3:0"
