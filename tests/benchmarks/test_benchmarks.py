"""The benchmarks measure what they say."""

from __future__ import annotations

import argparse
import json
import subprocess
from pathlib import Path

import arithmetic
import checkpoint_cost
import decoding
import effort
import gpu_trainings
import memory
import plan_cost
import predictions_cost
import pyarrow.parquet as pq
import pytest
import resume
import speed
import start_cost
import sweep_cost
import two_sides
from support.pictures import table

from hpmkd.data.images import split
from hpmkd.plan.architecture import forward_cost
from hpmkd.store.sidecar import Header


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


def test_effort_measures_and_fits(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(effort, "CASES", [("MNIST", "lenet5", [2, 3, 8], 8), ("MNIST", "resnet8", [2, 3, 4], 8)])
    assert effort.main(["--steps", "3"]) == 0
    *rows, fit = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["network"] for row in rows] == ["lenet5 [2, 3, 8]", "resnet8 [2, 3, 4]"]
    assert all(row["ms"] > 0 and row["ratio"] > 0 for row in rows)
    assert {"LAYER", "ACTIVATION", "MULTIPLY_ADD"} < fit.keys()


def test_predictions_cost_times_what_is_kept(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, cache_dir: Path
) -> None:
    monkeypatch.setattr(predictions_cost, "PAIRS", 1)
    monkeypatch.setattr(predictions_cost, "LOOKS", 2)
    words = ["--baselines", "TraditionalKD", "--train-images", "100", "--teacher-epochs", "1", "--student-epochs", "2"]
    assert predictions_cost.main([*words, "--data.cache_dir", str(cache_dir)]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["kept"] for line in lines[:2]] == [False, True]
    assert lines[2]["bytes"] > 355 * 22
    assert lines[2]["commit_ms"] > 0
    assert lines[2]["measures_ms"] >= 0  # a difference of two times: noise makes it 0
    parts = sum(value for name, value in lines[2].items() if name.endswith("_ms"))
    assert lines[2]["part_of_time"] == pytest.approx(parts / 1000 / lines[2]["seconds"], rel=0.05)


@pytest.mark.parametrize("models", [120, 4000])
def test_the_cost_of_a_plan_is_beside_that_of_its_fingerprints(models: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert plan_cost.main(["--models", str(models)]) == 0
    result = json.loads(capsys.readouterr().out)
    assert models <= result["students"] < models + 120
    assert result["jobs"] > result["students"]
    assert result["ratio"] == pytest.approx(result["plan_seconds"] / result["bare_seconds"], rel=0.3)
    assert result["plan_seconds"] + result["look_seconds"] < 60, "a busy machine is no failure, a square of the grid is"


def test_a_start_on_a_finished_sweep_trains_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert start_cost.main(["--models", "3", "--pairs", "1"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["models"] == 3
    assert result["more_seconds"] == pytest.approx(result["start_seconds"] - result["help_seconds"], abs=0.02)


def test_arithmetic_is_counted_as_by_hand(capsys: pytest.CaptureFixture[str]) -> None:
    """A training step is three forward passes, but for the gradient of the images, which nobody asks for."""
    words = ["--networks", "lenet5_student", "--images", "80", "--batch", "32", "--rounds", "1", "--seconds", "0.05"]
    assert arithmetic.main(words) == 0
    row = json.loads(capsys.readouterr().out)
    assert row["part_of_product"] == pytest.approx(row["training_gflops"] / row["product_gflops"], rel=0.1)
    splits = split(gpu_trainings.made_up(80), gpu_trainings.SPEC)
    options = argparse.Namespace(batch=32, precision="fp32", device="cpu")
    one = gpu_trainings.training(gpu_trainings.CASES[0], splits, 1, options, False)
    passes = arithmetic.passes(one, "fp32")
    first = 25 * 3 * 10 * 28**2
    assert arithmetic.operations_of(passes) == 32 * 2 * (3 * forward_cost(gpu_trainings.STUDENT) - first)


def test_a_pair_stands_beside_its_bare_passes(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--pairs", "resnet14:resnet8", "--images", "40", "--batch", "8", "--rounds", "3", "--calls", "1"]
    assert arithmetic.main(words) == 0
    direct, taught = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert (direct["method"], taught["method"]) == ("Direct", "TraditionalKD")
    assert taught["bare_ms"] > direct["bare_ms"], "with the teacher's pass"
    assert 0 < taught["from"] <= taught["bare_part"] <= taught["to"]


@pytest.mark.slow
def test_memory_of_decoding_and_workers(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--images", "200", "--size", "16", "--workers", "1", "--steps", "1", "--batch", "8"]
    assert memory.main(words) == 0
    _, *decoded, _, copied, mapped = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["decoded"] for row in decoded] == ["in memory", "on the disk"]
    assert [row["way"] for row in (copied, mapped)] == ["copied", "mapped"]
    assert all(0 < row["own_peak_MiB"] < row["rss_peak_MiB"] for row in (*decoded, copied, mapped))
    assert mapped["MiB"] > 0


def test_decoding_alone_and_with_helpers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert decoding.main(["--part", "0.01", "--rounds", "1"]) == 0
    own = decoding.write(tmp_path / "own", 100, 32, 32)
    assert decoding.main(["--data", str(own), "--rounds", "2"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["data"] for row in rows] == ["32x32", "500x375", "own"]
    assert all(row["ratio"] > 0 and row["helpers"] > 0 for row in rows)


def test_two_sides_are_compared_model_by_model(capsys: pytest.CaptureFixture[str]) -> None:
    def header(accuracy: float, weights: str, seconds: float) -> Header:
        meta = {"dataset": "D", "role": "student", "baseline": "AT", "weights_sha256": weights}
        return Header("", 0, accuracy, seconds, "", meta)

    first = {"student_D_AT_run1": header(70, "a", 3.0), "student_D_AT_run2": header(72, "b", 3.0)}
    second = {"student_D_AT_run1": header(70, "a", 2.0), "student_D_AT_run2": header(71, "c", 2.0)}
    (row,) = two_sides.compare(first, second)
    assert (row["models"], row["same_weights"], row["shift"], row["seconds_ratio"]) == (2, 1, -0.5, 1.5)
    assert (row["first_pct"], row["second_pct"]) == (71.0, 70.5)
    assert row["interval"] == [-6.85, 5.85]  # 12.706 * 0.7071 / sqrt(2) on either side
    assert row["tost"] == "undecided"
    (row,) = two_sides.compare(first, second, margin=4.0)
    assert row["tost"] == "equivalent", "6.314 * 0.5 = 3.16 on either side of -0.5"
    assert two_sides.interval([0.0, 0.0]) is None
    with pytest.raises(SystemExit):
        two_sides.main(["--runs", "3"])
    assert "nothing to compare" in capsys.readouterr().err


def test_two_sides_are_those_of_their_own_code(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The workers' code may be another one than the command's."""
    git = ["git", "-c", "user.name=x", "-c", "user.email=x@x", "-C", str(tmp_path)]
    subprocess.run([*git, "init", "-q"], check=True)
    subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", "x"], check=True)
    head = subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout.strip()
    made = {name: Header("", 0, 70.0, 1.0, "", {"git_revision": name}) for name in (head, "0123abc")}
    two_sides.check_code({head: made[head]}, tmp_path)
    with pytest.raises(SystemExit, match=r"the models were made by .*0123abc.*, not by"):
        two_sides.check_code(made, tmp_path)
    monkeypatch.chdir(tmp_path)
    Path("data").mkdir()
    Path("MNIST").mkdir()
    words = ["--data-dir", "data", "--datasets", "MNIST", "3"]
    assert [two_sides.absolute(word) for word in words] == ["--data-dir", str(tmp_path / "data"), *words[2:]]


@pytest.mark.slow
def test_speed_is_a_ratio_of_two_rates(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    for part in ("train", "test"):
        pq.write_table(table(60, size=32), tmp_path / f"{part}.parquet")
    assert speed.main(["--data", str(tmp_path), "--images", "40", "--rounds", "1", "--batch", "16"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()][1:4]
    assert [row["case"] for row in rows] == list(speed.CASES)
    for row in rows:
        assert row["ratio"] == pytest.approx(row["images_s"] / row["original_images_s"], rel=0.05)


@pytest.mark.slow
def test_the_cost_of_a_sweep_is_that_of_as_many_models(capsys: pytest.CaptureFixture[str]) -> None:
    assert sweep_cost.main(["--models", "6"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["models"] == 6
    assert result["ratio"] == pytest.approx(result["seconds_per_model"] / result["bare_seconds_per_trial"], rel=0.05)


@pytest.mark.slow
def test_processes_of_latencies(tmp_path: Path) -> None:
    """A row per runtime and batch size, with a ratio of both ways and a control."""
    import latency_processes

    from hpmkd.bench.latency import Settings

    prepared = [one for one in latency_processes.made(tmp_path) if one.runtime == "eager"]
    settings = Settings(batch_sizes=(1, 2), measurements=20, seconds=0.01)
    found = latency_processes.compare(prepared, 1, settings)
    assert set(found) == {("eager", 1), ("eager", 2)}
    assert all(one.low <= one.value <= one.high for ratios in found.values() for one in ratios)
