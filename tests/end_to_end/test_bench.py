"""The modes that measure after the training, as real commands: killed in the middle, continued, reported."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from support.sweeps import PATIENCE, ROOT, restore, stamps, start, weights

from hpmkd.cli.main import main
from hpmkd.hardware import cores

pytestmark = pytest.mark.skipif(cores() < 2, reason="no speed-up can be measured on one core")
BENCH = [
    "--baselines", "Direct", "--bench.latency", "true", "--bench.runtimes", "[eager]", "--bench.measurements", "20",
    "--bench.batch_sizes", "[1, 2]", "--bench.seconds", "0.01", "--bench.workers", "[2]", "--bench.repeats", "1",
]  # fmt: skip


def timed(output: Path) -> list[dict[str, Any]]:
    try:
        return list(json.loads((output / "speedup.json").read_text())["runs"])
    except OSError:
        return []


@pytest.mark.slow
def test_killed_continued_and_reported(tmp_path: Path, cache_dir: Path) -> None:
    """Killed (SIGKILL) in the second timed run: models, latencies and the first run stay, the second is done again."""
    output = tmp_path / "out"
    words = [
        "-o",
        str(output),
        "--data.cache_dir",
        str(cache_dir),
        "--resources.device",
        "cpu",
        "--train-images",
        "200",
    ]
    words += ["--teacher-epochs", "2", "--student-epochs", "2", "--runs", "1", *BENCH]
    command = [sys.executable, str(ROOT / "run_sweep.py"), *words]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + PATIENCE
        while not (timed(output) and list(output.glob("speedup/repeat1-*/sweep.yaml"))):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
    before, latency, (first,) = stamps(output), (output / "latency.json").read_bytes(), timed(output)
    assert restore(output) == 0
    assert stamps(output) == before, "nothing is trained twice"
    assert (output / "latency.json").read_bytes() == latency, "nor measured twice"
    runs = timed(output)
    assert runs[0] == first
    assert len(runs) == json.loads((output / "speedup.json").read_text())["workers"][-1]
    assert not list(output.glob("speedup/repeat*")), "no folder of a timed run stays"
    assert json.loads((output / "speedup.json").read_text())["weights"] == {
        name.removesuffix(".pt"): value for name, value in weights(output).items()
    }
    assert main(["report", str(output)]) == 0
    page = (output / "report.html").read_text()
    assert '<section id="efficiency">' in page
    assert '<section id="speedup">' in page


@pytest.mark.slow
def test_a_finished_sweep_measures_what_it_is_asked_for_later(
    tmp_path: Path, cache_dir: Path, small_ray: None, capsys: pytest.CaptureFixture[str]
) -> None:
    """No model depends on it: flags of `bench` beside --restore change no plan."""
    output = tmp_path / "out"
    assert start(output, cache_dir, "--baselines", "Direct") == 0
    assert not (output / "latency.json").exists()
    before = stamps(output)
    flags = [word for word in BENCH[2:] if word not in ("--bench.workers", "[2]", "--bench.repeats", "1")]
    assert restore(output, "-n", *flags, "--bench.workers", "[1]") == 0
    said = capsys.readouterr().out
    assert "then latencies of one network per architecture (eager; batch sizes 1, 2)" in said
    assert "then the whole sweep 3 times more, with 1 workers" in said
    assert restore(output, *flags) == 0
    assert stamps(output) == before
    found = json.loads((output / "latency.json").read_text())
    assert found["complete"]
    assert {one["roles"][0] for one in found["subjects"]} == {"student", "teacher"}
