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


CHAIN = [
    "--mode", "chain_cpu", "--datasets", "Digits", "--teacher.arch", "lenet5_teacher",
    "--student.channels", "[2, 3, 8]", "--train-images", "100", "--teacher-epochs", "1", "--student-epochs", "1",
    "--runs", "1", "--adaptive.alphas", "[0.5]",
    "--vary", "[{baselines: [HPM-KD, HPM-KD-noMultiTeacher], hpmkd.chain_length: [0, 2]}, "
    "{baselines: [TAKD], takd.steps: [2]}]",
]  # fmt: skip
CHAIN_MODELS = 2 + 4 + 7  # teachers, assistants, students


@pytest.mark.slow
def test_chains_killed_and_continued(tmp_path: Path, cache_dir: Path, small_ray: None) -> None:
    """Nothing is trained twice; each length is another student, and TAKD has the assistants of HPM-KD."""
    output = tmp_path / "out"
    command = [sys.executable, str(ROOT / "run_sweep.py"), *words(output, cache_dir), *CHAIN]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, start_new_session=True) as process:
        deadline = time.monotonic() + PATIENCE
        while len(stamps(output)) < CHAIN_MODELS // 2:
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        os.kill(process.pid, signal.SIGKILL)
    done = stamps(output)
    assert restore(output) == 0
    whole = stamps(output)
    assert len(whole) == CHAIN_MODELS
    assert {name: whole[name] for name in done} == done, "nothing is trained twice"
    found = weights(output)
    assert len({key for name, key in found.items() if name.startswith("student")}) == 7
    for number in (1, 2):
        names = [f"assistant_Digits_{owner}_{number}.pt" for owner in ("HPM-KD-chain2", "TAKD-steps2")]
        assert found[names[0]] == found[names[1]]
    section = next(one for one in gather(output).sections if one.name == "chain")
    assert "one run per length shows nothing" in section.sentences[0]
    frame = section.folded[0].frame
    assert frame[frame["length"] == 2].groupby("name")["position"].apply(list).tolist() == [[0, 1, 2, 3]] * 2
