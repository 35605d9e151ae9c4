"""The benchmarks measure what they say."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent / "benchmarks"))
import checkpoint_cost
import resume


def test_resume_plans_what_it_has_built(capsys: pytest.CaptureFixture[str]) -> None:
    assert resume.main(["--models", "12", "--megabytes", "0.01", "--whole"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert (result["models"], result["megabytes"]) == (12, 0.01)
    assert {"read_seconds", "plan_seconds", "audit_seconds", "whole_seconds"} <= result.keys()


def test_checkpoint_cost_saves_in_every_second_run(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, cache_dir: Path
) -> None:
    monkeypatch.setattr(checkpoint_cost, "PAIRS", 1)
    monkeypatch.setattr(checkpoint_cost.SaveSchedule, "due", lambda self: True)
    words = ["--baselines", "TraditionalKD", "--train-images", "100", "--teacher-epochs", "1", "--student-epochs", "3"]
    assert checkpoint_cost.main([*words, "--data.cache_dir", str(cache_dir)]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(line["checkpoints"], line["saves"]) for line in lines[:2]] == [(False, 0), (True, 2)]
    assert lines[0]["save_seconds"] == 0
    assert lines[1]["save_seconds"] > 0
    assert lines[2]["model"] == "student_Digits_TraditionalKD_run1"
    assert 0 < lines[2]["part_of_time"] < 1
