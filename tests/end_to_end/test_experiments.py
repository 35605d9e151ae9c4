"""An experiment from one command, killed in the middle and continued: nothing is trained twice, the report has it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support.sweeps import PATIENCE, ROOT, restore, stamps, weights, words

from hpmkd.analysis.report.content import gather
from hpmkd.cli.main import main

TINY = [
    "--mode", "ablation_cpu", "--datasets", "Digits", "--teacher.arch", "lenet5_teacher", "--train-images", "100",
    "--teacher-epochs", "1", "--student-epochs", "1", "--runs", "1", "--adaptive.alphas", "[0.5]",
]  # fmt: skip
MODELS = 3 + 4 + 10  # teachers, assistants (two in a chain, once more without the shared memory), students


@pytest.mark.slow
def test_an_ablation_killed_and_continued(
    tmp_path: Path, cache_dir: Path, small_ray: None, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "out"
    command = [sys.executable, str(ROOT / "run_sweep.py"), *words(output, cache_dir), *TINY]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, start_new_session=True) as process:
        deadline = time.monotonic() + PATIENCE
        while len(stamps(output)) < MODELS // 2:
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        os.kill(process.pid, signal.SIGKILL)
    done = stamps(output)
    assert restore(output) == 0
    whole = stamps(output)
    assert len(whole) == MODELS
    assert {name: whole[name] for name in done} == done, "nothing is trained twice"
    assert restore(output) == 0
    assert stamps(output) == whole
    found = weights(output)
    full = found["student_Digits_HPM-KD_run1.pt"]
    assert {found[f"student_Digits_HPM-KD-{word}_run1.pt"] for word in ("noParallel", "noSharedMemory")} == {full}
    capsys.readouterr()
    assert main(["report", str(output), "--json"]) == 0
    assert {"tables/ablation.csv", "figures/ablation.svg"} <= set(json.loads(capsys.readouterr().out)["files"])
    (section,) = gather(output).sections
    assert section.errors == ()
    assert "One run per arm shows nothing" in section.sentences[0]
    assert any("weights are those of TraditionalKD, bit for bit, in 1 of 1 runs" in line for line in section.sentences)
