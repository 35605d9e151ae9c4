"""A grid of conditions, pairs and settings: killed in the middle, continued, extended, and mended file by file."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
from support.sweeps import ROOT, restore, stamps, start, weights, words

pytestmark = pytest.mark.usefixtures("small_ray")
PAIRS = {
    "wide": {"student": {"arch": "lenet5", "channels": [5, 10, 50]}},
    "narrow": {"student": {"arch": "lenet5", "channels": [2, 3, 10]}},
}


def grid(temperatures: str, *datasets: str) -> list[str]:
    vary = f"{{baselines: [TraditionalKD, TAKD], kd.temperature: {temperatures}}}"
    return [
        "--datasets", *datasets, "--baselines", "Direct", "--vary", vary, "--pairs", json.dumps(PAIRS),
        "--student-epochs", "3",
    ]  # fmt: skip


SMALL = grid("[2, 4]", "Digits", "Digits@n60")
PLACES = [f"Digits{mark}+{pair}" for mark in ("", "@n60") for pair in PAIRS]
STUDENTS = {
    f"student_{place}_{name}_run1.pt"
    for place in PLACES
    for name in ("Direct", "TraditionalKD", "TraditionalKD-T2", "TAKD", "TAKD-T2")
}
TEACHERS = {"teacher_Digits+lenet5.pt", "teacher_Digits@n60+lenet5.pt"}
ASSISTANTS = {f"assistant_{place}_{name}.pt" for place in PLACES for name in ("TAKD", "TAKD-T2")}
MODELS = STUDENTS | TEACHERS | ASSISTANTS


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, cache_dir: Path) -> Path:
    """The grid that nobody stopped."""
    output = tmp_path_factory.mktemp("grid") / "out"
    assert start(output, cache_dir, *SMALL) == 0
    return output


@pytest.fixture
def sweep(finished: Path, tmp_path: Path) -> Path:
    """A copy that a test may change."""
    return Path(shutil.copytree(finished, tmp_path / "sweep"))


def test_every_model_of_the_grid_is_there_and_its_results_say_where_it_stands(finished: Path) -> None:
    assert set(weights(finished)) == MODELS
    frame = pd.read_parquet(finished / "results.parquet")
    students = frame[frame["role"] == "student"]
    taught = students[students["baseline"] != "Direct"]
    assert taught.groupby(["pair", "kd.temperature"]).size().to_dict() == {
        (pair, value): 4 for pair in PAIRS for value in (2.0, 4.0)
    }
    assert students.loc[students["baseline"] == "Direct", "kd.temperature"].isna().all()
    assert set(students["condition"].dropna()) == {"n60"}
    assert students["seed"].nunique() == 1
    assert (students["teacher"].str.startswith("teacher_Digits")).all()
    for column in ("multiply_adds", "training_multiply_adds"):
        assert (students[column] > 0).all()


def test_every_student_is_a_model_of_its_own(finished: Path) -> None:
    found = weights(finished)
    assert len(set(found.values())) == len(MODELS)


@pytest.mark.slow
def test_killed_in_the_middle_it_continues_and_trains_nothing_twice(
    tmp_path: Path, cache_dir: Path, finished: Path
) -> None:
    output = tmp_path / "out"
    command = [sys.executable, str(ROOT / "run_sweep.py"), *words(output, cache_dir, *SMALL)]
    quiet = subprocess.DEVNULL
    with subprocess.Popen(command, stdout=quiet, stderr=quiet, start_new_session=True) as process:
        deadline = time.monotonic() + 300
        while len(list((output / "models").glob("*.pt.json"))) < len(MODELS) // 3:
            assert process.poll() is None, "it ended by itself"
            assert time.monotonic() < deadline
            time.sleep(0.05)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    done = {path.name.removesuffix(".json"): stamps(output)[path.name.removesuffix(".json")]
            for path in (output / "models").glob("*.pt.json")}  # fmt: skip
    assert 0 < len(done) < len(MODELS)
    assert restore(output) == 0
    assert {name: stamps(output)[name] for name in done} == done
    assert weights(output) == weights(finished)


@pytest.mark.slow
@pytest.mark.parametrize("names", [{"student_Digits@n60+narrow_TraditionalKD-T2_run1.pt"}, TEACHERS | ASSISTANTS])
def test_what_is_deleted_is_trained_again_alone_to_the_same_weights(
    sweep: Path, finished: Path, names: set[str]
) -> None:
    before = stamps(sweep)
    for name in names:
        (sweep / "models" / name).unlink()
    assert restore(sweep) == 0
    after = stamps(sweep)
    assert {name for name in MODELS if after[name] != before[name]} == names
    assert weights(sweep) == weights(finished)


@pytest.mark.slow
def test_more_values_and_conditions_later_train_only_what_is_new(sweep: Path, cache_dir: Path) -> None:
    before = stamps(sweep)
    wide = grid("[2, 4, 8]", "Digits", "Digits@n60", "Digits@n120")
    assert restore(sweep, *wide, "--runs", "2") == 0
    after = stamps(sweep)
    assert {name: after[name] for name in before} == before
    new = set(after) - set(before)
    assert "student_Digits@n60+wide_TAKD-T8_run2.pt" in new
    assert "assistant_Digits@n120+narrow_TAKD-T8.pt" in new
    assert len(after) == 3 * (1 + 2 * (3 + 2 * 7))
    assert start(sweep, cache_dir, *wide, "--runs", "2") == 0
    assert stamps(sweep) == after
