"""A real sweep in its own process whose trials raise, lack memory, or are killed again and again."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from support.sweeps import PATIENCE, ROOT, Launch, weights

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("hangup_as_usual")]
FAULTY = """
import os, signal, sys
if any("default_worker" in word for word in sys.orig_argv):
    import pathlib, torch
    import hpmkd.training.trial as trial
    inner, notes = trial.run_job, pathlib.Path(os.environ["FAULT_NOTES"])
    def run_job(job, *given, **named):
        if job.role == "student":
            note = notes / job.method
            count = len(note.read_text()) if note.exists() else 0
            note.write_text("x" * (count + 1))
            if job.method == "AT":
                raise ValueError("mine")
            if job.method == "FitNets" and count < 3:
                raise torch.cuda.OutOfMemoryError("CUDA out of memory")
            if job.method == "TraditionalKD" and count < 2:
                os.kill(os.getpid(), signal.SIGKILL)
        yield from inner(job, *given, **named)
    trial.run_job = run_job
"""


def test_failing_trials_are_tried_again_with_more_and_then_alone(launch: Launch, tmp_path: Path) -> None:
    """One raises always, one has no memory three times, one is killed twice; the rest is not concerned."""
    site, notes, output = tmp_path / "site", tmp_path / "notes", tmp_path / "out"
    for folder in (site, notes):
        folder.mkdir()
    (site / "sitecustomize.py").write_text(FAULTY)
    paths = os.pathsep.join([str(site), str(ROOT)])
    names = ["Direct", "TraditionalKD", "FitNets", "AT"]
    process = launch("--baselines", *names, PYTHONPATH=paths, FAULT_NOTES=str(notes))
    out, error = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1, out + error
    assert "again, 1 side by side" in out
    tried = {path.name: len(path.read_text()) for path in notes.iterdir()}
    # Tune starts each failed trial again once in the first round, then each round tries it once.
    assert tried == {"AT": 3, "FitNets": 4, "TraditionalKD": 3, "Direct": 1}
    assert set(weights(output)) == {
        "teacher_Digits.pt",
        *(f"student_Digits_{name}_run1.pt" for name in names if name != "AT"),
    }
    assert "1 model was not trained; the same command tries it again" in error
    assert "student_Digits_AT_run1.pt: ValueError: mine" in error
    (log,) = re.findall(r"full error: (\S+)", error)
    assert "ValueError: mine" in Path(log).read_text()
    assert Path(log).is_relative_to(output)
