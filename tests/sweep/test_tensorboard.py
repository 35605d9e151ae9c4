"""Event files, read with TensorBoard's own reader."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from hpmkd.plan.events import EpochResult
from hpmkd.sweep.tensorboard import EventFiles


def read(folder: Path, name: str) -> list[tuple[int, float]]:
    events = EventAccumulator(str(folder))
    events.Reload()
    return [(point.step, point.value) for point in events.Scalars(name)] if name in events.Tags()["scalars"] else []


def test_they_hold_what_was_reported(tmp_path: Path) -> None:
    with EventFiles(tmp_path / "model") as curves:
        for epoch, loss in ((1, 2.0), (2, 1.5)):
            curves.epoch(EpochResult(epoch, loss, {"kd": math.nan, "ce": loss / 2}, 50.0 + epoch, 0.1, 1.0, 2))
        curves.end(69.5)
    assert read(tmp_path / "model", "train_loss") == [(1, 2.0), (2, 1.5)]
    assert read(tmp_path / "model", "validation_accuracy") == [(1, 51.0), (2, 52.0)]
    assert read(tmp_path / "model", "loss/ce") == [(1, 1.0), (2, 0.75)]
    assert [value for _, value in read(tmp_path / "model", "test_accuracy")] == [69.5]
    assert read(tmp_path / "model", "loss/kd") == []


def test_a_killed_worker_loses_little_of_its_curve(tmp_path: Path) -> None:
    code = (
        "import os, pathlib, sys, time; from hpmkd.sweep import tensorboard\n"
        "from hpmkd.plan.events import EpochResult\n"
        "tensorboard._FLUSH_SECONDS = 0.1\n"
        "curves = tensorboard.EventFiles(pathlib.Path(sys.argv[1]))\n"
        "curves.epoch(EpochResult(1, 2.0, {}, 50.0, 0.1, 1.0, 3)); time.sleep(1); os._exit(9)"
    )
    assert subprocess.run([sys.executable, "-c", code, str(tmp_path / "model")], check=False).returncode == 9
    assert read(tmp_path / "model", "train_loss") == [(1, 2.0)]


def test_a_model_without_an_epoch_leaves_no_file_and_neither_does_one_that_wants_none(tmp_path: Path) -> None:
    with EventFiles(tmp_path / "model"):
        pass
    with EventFiles(None) as curves:
        curves.epoch(EpochResult(1, 2.0, {}, 50.0, 0.1, 1.0, 3))
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_stops_no_training(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with EventFiles(tmp_path / "file" / "model") as curves:
        curves.epoch(EpochResult(1, 2.0, {}, 50.0, 0.1, 1.0, 3))


def test_the_driver_needs_no_torch() -> None:
    """Its import takes seconds, in which no trial starts."""
    code = (
        "import sys, hpmkd.sweep.driver, hpmkd.sweep.trainable, hpmkd.sweep.tensorboard; print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@pytest.fixture(autouse=True)
def _sources(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).resolve().parents[2]))
