"""Ray's memory monitor, the real one, ends workers of a sweep in its own process."""

from __future__ import annotations

import os
import re
from pathlib import Path

import psutil
import pytest
from support.sweeps import PATIENCE, ROOT, Launch, stamps, weights

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("hangup_as_usual")]
MARGIN = 4 * 2**30  # what everything else on this machine may take meanwhile
# A student that grows until the monitor ends it, in the middle of its training, each time it is tried.
GREEDY = """
import os, sys
if any("default_worker" in word for word in sys.orig_argv):
    import pathlib, time
    import hpmkd.training.trial as trial
    inner, notes = trial.run_job, pathlib.Path(os.environ["FAULT_NOTES"])
    def run_job(job, *given, **named):
        with (notes / job.key).open("a") as file:
            file.write("x")
        held = []
        for event in inner(job, *given, **named):
            yield event
            while job.method == "AT":
                held.append(bytearray(os.urandom(2**20) * 64))
                time.sleep(0.02)
    trial.run_job = run_job
"""


def test_a_greedy_trial_fails_and_the_others_are_made(launch: Launch, tmp_path: Path) -> None:
    """As the documentation promises: the others go on, it is tried again with fewer side by side, then exit 1."""
    memory = psutil.virtual_memory()
    if memory.available < 2 * MARGIN:
        pytest.skip("little free memory: the monitor would end the others too")
    site, notes, output = tmp_path / "site", tmp_path / "notes", tmp_path / "out"
    for folder in (site, notes):
        folder.mkdir()
    (site / "sitecustomize.py").write_text(GREEDY)
    process = launch(
        "--baselines", "Direct", "TraditionalKD", "AT",
        PYTHONPATH=os.pathsep.join([str(site), str(ROOT)]),
        FAULT_NOTES=str(notes),
        RAY_memory_usage_threshold=str((memory.total - memory.available + MARGIN) / memory.total),
        RAY_memory_monitor_refresh_ms="100",
    )  # fmt: skip
    out, error = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1, out + error
    assert "Traceback" not in out + error
    assert "Tune stopped this round" in out
    assert "1 side by side" in out
    assert "1 model was not trained; the same command tries it again" in error
    assert "student_Digits_AT_run1.pt: Ray's memory monitor ended its process" in error
    (log,) = re.findall(r"full error: (\S+)", error)
    assert Path(log).is_relative_to(output)
    assert "OutOfMemoryError" in Path(log).read_text()
    assert "accuracy %" in out, "and the table of the others is printed"
    made = {"teacher_Digits", "student_Digits_Direct_run1", "student_Digits_TraditionalKD_run1"}
    assert set(weights(output)) == {f"{key}.pt" for key in made}
    tried = {path.name: len(path.read_text()) for path in notes.iterdir()}
    assert tried["student_Digits_AT_run1"] >= 3
    assert tried["teacher_Digits"] == 1, "nothing finished is trained again"


def test_a_machine_without_memory_fails_everything_and_says_so(launch: Launch, tmp_path: Path) -> None:
    """No worker ever starts its work; what an earlier start has made stays, and is in the table."""
    assert launch("--baselines", "Direct").wait(PATIENCE) == 0
    before = stamps(tmp_path / "out")
    process = launch("--baselines", "Direct", "TraditionalKD", "--runs", "2", RAY_memory_usage_threshold="0.01")
    out, error = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1, out + error
    assert "Traceback" not in out + error
    assert "student_Digits_Direct_run2.pt: Ray's memory monitor ended its process" in error
    assert "ran low on memory" in error
    assert "full error: " in error
    assert "waits for logits_teacher_Digits" in error
    assert "accuracy %" in out
    assert stamps(tmp_path / "out") == before
