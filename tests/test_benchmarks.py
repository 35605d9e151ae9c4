"""The benchmarks measure what they say."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent / "benchmarks"))
import checkpoint_cost
import gpu
import resume
import start_cost
import sweep_cost


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


def test_a_start_on_a_finished_sweep_trains_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert start_cost.main(["--models", "3", "--pairs", "1"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["models"] == 3
    assert result["more_seconds"] == pytest.approx(result["start_seconds"] - result["help_seconds"], abs=0.02)


def test_the_gpu_benchmark_trains_every_case(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--device", "cpu", "--images", "64", "--epochs", "1", "--batch", "32", "--precision", "fp32"]
    assert gpu.main([*words, "--parts", "core"]) == 0
    device, *rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert device["device"] == "cpu"
    assert [(row["method"], row["model"]) for row in rows] == [(name, model.arch) for name, model in gpu.CASES]
    assert all(row["one_by_one_images_s"] > 0 and row["recorded_images_s"] > 0 for row in rows)


@pytest.mark.slow
def test_the_cost_of_a_sweep_is_that_of_as_many_models(capsys: pytest.CaptureFixture[str]) -> None:
    assert sweep_cost.main(["--models", "6"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["models"] == 6
    assert result["ratio"] == pytest.approx(result["seconds_per_model"] / result["bare_seconds_per_trial"], rel=0.05)
