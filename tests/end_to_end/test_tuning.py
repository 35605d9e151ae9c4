"""Sweeps with tuned baselines: Tune experiments of their own, whose files are kept, made again alone, and continued."""

from __future__ import annotations

import json
import shutil
import signal
import time
from pathlib import Path
from typing import Any

import pytest
from support.sweeps import PATIENCE, Launch, restore, stamps, start, weights

from hpmkd.cli.main import main

KEY = "search_Digits_TraditionalKD-tuned"
FLAGS = ["--baselines", "Direct", "TraditionalKD-tuned", "--tune.trials", "3", "--tune.first", "0.5"]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, cache_dir: Path, small_ray: None) -> Path:
    folder = tmp_path_factory.mktemp("tuned") / "out"
    assert start(folder, cache_dir, *FLAGS) == 0
    return folder


@pytest.fixture
def out(finished: Path, tmp_path: Path) -> Path:
    """A copy that a test may change."""
    return Path(shutil.copytree(finished, tmp_path / "out"))


def search(output: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((output / f"models/{KEY}.json").read_text())
    return found


def test_what_was_tried_and_chosen_is_a_file(finished: Path, capsys: pytest.CaptureFixture[str]) -> None:
    about = search(finished)["metadata"]
    assert set(about["chosen"]) == {"fit.lr", "kd.alpha", "kd.temperature"}
    tried = about["evidence"]
    assert {row["candidate"] for row in tried} == {0, 1, 2}
    assert {row["epochs"] for row in tried} == {1, 2}
    assert {key: tried[0][key] for key in about["chosen"]} == {"fit.lr": 1e-3, "kd.alpha": 0.9, "kd.temperature": 4.0}
    assert search(finished)["train_time"] >= max(row["train_seconds"] for row in tried)
    # Real trials, of an experiment of its own.
    (folder,) = (finished / "tune").glob("tuning_*")
    assert len([path for path in folder.iterdir() if path.is_dir()]) == 3
    assert main(["verify", str(finished)]) == 0
    assert main(["status", str(finished)]) == 0
    assert "TraditionalKD-tuned searches" in capsys.readouterr().out


def test_its_cost_is_in_the_table(finished: Path) -> None:
    from hpmkd.audit.results import load_results

    frame = load_results(finished)
    own = frame[frame["baseline"] == "TraditionalKD-tuned"].set_index("role")
    tuning = search(finished)["train_time"]
    assert own.loc["search", "train_seconds"] == pytest.approx(tuning)
    assert own.loc["student", "ancestor_seconds"] >= tuning


def test_the_report_says_who_was_tuned(finished: Path) -> None:
    from hpmkd.analysis.report.tunings import tuned
    from hpmkd.audit.sweep_dir import open_saved

    lines = dict(tuned(open_saved(finished)))
    chosen = search(finished)["metadata"]["chosen"]
    (text,) = (text for name, text in lines.items() if name == "tuning of TraditionalKD-tuned, Digits")
    assert text.startswith("3 settings on validation images (asha, likelihood): fit.lr ")
    assert all(key in text for key in chosen)
    assert lines["settings not tuned"] == "Direct: as the config says"


@pytest.mark.slow
@pytest.mark.usefixtures("small_ray")
def test_a_deleted_student_is_trained_again_without_a_tuning(out: Path) -> None:
    name = "student_Digits_TraditionalKD-tuned_run1.pt"
    before, times, tuned = weights(out), stamps(out), (out / f"models/{KEY}.json").stat().st_mtime_ns
    (out / "models" / name).unlink()
    assert restore(out) == 0
    assert weights(out) == before
    assert {key for key, at in stamps(out).items() if at != times[key]} == {name}
    assert (out / f"models/{KEY}.json").stat().st_mtime_ns == tuned


@pytest.mark.slow
@pytest.mark.usefixtures("small_ray")
@pytest.mark.parametrize("harm", ["delete", "damage"])
def test_a_lost_tuning_is_made_again(harm: str, out: Path) -> None:
    """And its students where it chooses otherwise; nothing else."""
    times, path = stamps(out), out / f"models/{KEY}.json"
    path.unlink() if harm == "delete" else path.write_text(path.read_text().replace("0", "1"))
    assert restore(out) == 0
    assert set(search(out)["metadata"]["chosen"]) == {"fit.lr", "kd.alpha", "kd.temperature"}
    changed = {key for key, at in stamps(out).items() if at != times[key]}
    assert changed <= {"student_Digits_TraditionalKD-tuned_run1.pt"}


@pytest.mark.slow
@pytest.mark.usefixtures("small_ray")
@pytest.mark.parametrize("flag", ["sampler optuna", "scheduler none", "metric accuracy"])
def test_ways_to_tune(flag: str, tmp_path: Path, cache_dir: Path) -> None:
    flags = f"--tune.{flag}".split()
    if "optuna" in flags:
        pytest.importorskip("optuna")
        flags += ["--student-epochs", "60"]  # some are saved between comparisons
    assert start(tmp_path / "out", cache_dir, *FLAGS, *flags) == 0
    tried = search(tmp_path / "out")["metadata"]["evidence"]
    assert not any("failed" in row for row in tried)
    assert {row["candidate"] for row in tried} == {0, 1, 2}
    assert {key: tried[0][key] for key in ("fit.lr", "kd.alpha")} == {"fit.lr": 1e-3, "kd.alpha": 0.9}
    assert all(1 <= row["kd.temperature"] <= 16 for row in tried)
    if "none" in flags:
        assert {row["epochs"] for row in tried} == {2}


@pytest.mark.slow
@pytest.mark.usefixtures("small_ray")
def test_the_shared_memory_has_tunings(tmp_path: Path, cache_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In a sweep with HPM-KD, which has one; the second sweep tries nothing."""
    flags = ["--baselines", "HPM-KD-noAdaptive-noChain-tuned", "--tune.trials", "2", "--seed", "7"]
    found = []
    for name in ("one", "two"):
        assert start(tmp_path / name, cache_dir, *flags) == 0
        (path,) = (tmp_path / name / "models").glob("search_*")
        found.append(json.loads(path.read_text())["metadata"]["chosen"])
    assert found[0] == found[1]
    assert not list((tmp_path / "two/tune").glob("tuning_*/tried.jsonl"))


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_an_interrupted_tuning_goes_on(how: signal.Signals, launch: Launch, tmp_path: Path, cache_dir: Path) -> None:
    """What was tried to its end is not tried again."""
    output = tmp_path / "out"
    long = [
        "--baselines",
        "TraditionalKD-tuned",
        "--tune.trials",
        "4",
        "--tune.scheduler",
        "none",
        "--student-epochs",
        "60",
    ]
    process = launch(*long)
    deadline, noted = time.monotonic() + PATIENCE, output / "tune"
    while not list(noted.glob("tuning_*/tried.jsonl")) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.5)
    assert process.poll() is None, process.communicate()
    process.send_signal(how)
    process.communicate(timeout=PATIENCE)
    (file,) = noted.glob("tuning_*/tried.jsonl")
    before = [line for line in file.read_text().splitlines() if line]
    assert 1 <= len(before) < 4
    assert not (output / f"models/{KEY}.json").exists()
    again = launch(*long)
    _, said = again.communicate(timeout=PATIENCE)
    assert again.returncode == 0, said
    tried = search(output)["metadata"]["evidence"]
    assert [row["candidate"] for row in tried] == [0, 1, 2, 3]
    # What Tune had not noted yet goes on from a checkpoint, and comes to the same.
    after = [json.loads(line) for line in file.read_text().splitlines()]
    assert [json.dumps(row) for row in after[: len(before)]] == before
    told = {row["number"]: {one["tune_loss"] for one in after if one["number"] == row["number"]} for row in after}
    assert all(len(losses) == 1 for losses in told.values())
