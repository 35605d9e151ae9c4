"""Epochs that workers note beside their reports: what a kill takes from a learning curve comes back."""

from __future__ import annotations

import math
import os
from pathlib import Path

import pytest

from hpmkd.plan.events import EpochEnded, EpochResult, Finished, Worker
from hpmkd.store import epoch_log
from hpmkd.store.epoch_log import EpochLog, epoch_file
from hpmkd.store.output_dir import OutputDir
from hpmkd.store.progress_log import MAX_EPOCHS, Recorder, progress_file, read, record_ends

KEY = "student_D_KD-T2.5_run1"
PRINTS = {KEY: "print"}


def result(epoch: int, loss: float = 1.0, of: int = 4) -> EpochResult:
    return EpochResult(epoch, loss, {"kd": loss / 2}, math.nan if epoch % 2 else 50.0, 0.1, 2.0 * epoch, of)


@pytest.fixture
def output(tmp_path: Path) -> OutputDir:
    return OutputDir(tmp_path)


def log(output: OutputDir, fingerprint: str = "print") -> EpochLog:
    return EpochLog(epoch_file(output, KEY), fingerprint)


def curve(output: OutputDir) -> list[tuple[int, float]]:
    found = read(progress_file(output, KEY))
    return [] if found is None else [(one["epoch"], one["train_loss"]) for one in found.epochs]


def test_what_is_noted_is_read(output: OutputDir) -> None:
    mine = log(output)
    for epoch in (1, 2):
        mine.add(result(epoch))
    found = epoch_log.read(epoch_file(output, KEY))
    assert found is not None
    assert (found.fingerprint, found.worker.pid) == ("print", os.getpid())
    assert str(found.results) == str((result(1), result(2)))  # NaN is not equal to itself


def test_a_new_attempt(output: OutputDir) -> None:
    """One that goes on keeps what is before; one from the start, or of other settings, nothing."""
    mine = log(output)
    for epoch in (1, 2, 3):
        mine.add(result(epoch))
    again = log(output)
    again.begin(2)
    again.add(result(3, loss=7.0))
    found = epoch_log.read(epoch_file(output, KEY))
    assert [(one.epoch, one.train_loss) for one in found.results] == [(1, 1.0), (2, 1.0), (3, 7.0)]  # type: ignore[union-attr]
    other = log(output, "other")
    other.begin(2)
    assert epoch_log.read(epoch_file(output, KEY)).results == ()  # type: ignore[union-attr]
    log(output).add(result(1))
    assert [one.epoch for one in epoch_log.read(epoch_file(output, KEY)).results] == [1]  # type: ignore[union-attr]


@pytest.mark.parametrize("recorded", [0, 1, 3, 4])
def test_a_driver_that_was_killed_at_the_end(output: OutputDir, recorded: int) -> None:
    """The model is there; the next driver records what was never reported, once."""
    recorder, mine = Recorder(output, PRINTS), log(output)
    recorder.started(KEY)
    for epoch in range(1, 5):
        mine.add(result(epoch))
        if epoch <= recorded:
            recorder.record(EpochEnded(KEY, result(epoch), worker=Worker("h", 7)))
    os.utime(epoch_file(output, KEY), (1e9, 1e9))
    record_ends(output, PRINTS)
    found = read(progress_file(output, KEY))
    assert found is not None
    assert (found.state, found.epoch, found.updated) == ("ended", 4, "2001-09-09T01:46:40+00:00")
    assert curve(output) == [(epoch, 1.0) for epoch in (1, 2, 3, 4)]
    assert not epoch_file(output, KEY).exists()
    size = progress_file(output, KEY).stat().st_size
    record_ends(output, PRINTS)
    assert progress_file(output, KEY).stat().st_size == size


def test_a_report_that_was_lost_before_a_resume(output: OutputDir) -> None:
    """The attempt goes on after epoch 3, of which only its checkpoint and the worker's note have arrived."""
    recorder, mine = Recorder(output, PRINTS), log(output)
    recorder.started(KEY)
    for epoch in (1, 2, 3):
        mine.add(result(epoch))
    recorder.record(EpochEnded(KEY, result(1)))
    recorder.started(KEY)
    again = log(output)
    again.begin(3)
    again.add(result(4))
    recorder.record(EpochEnded(KEY, result(4)))
    recorder.record(Finished(KEY, "trained", 70.0, 8.0))
    assert [epoch for epoch, _ in curve(output)] == [1, 2, 3, 4]
    assert read(progress_file(output, KEY)).state == "ended"  # type: ignore[union-attr]
    assert not epoch_file(output, KEY).exists()


def test_notes_of_other_settings_are_left_alone(output: OutputDir) -> None:
    log(output, "other").add(result(1))
    Recorder(output, PRINTS).started(KEY)
    assert curve(output) == []
    record_ends(output, {})
    assert epoch_file(output, KEY).exists()
    record_ends(output, PRINTS)
    assert not epoch_file(output, KEY).exists()
    assert curve(output) == []


@pytest.mark.parametrize("text", [b"", b"{", b"[]\n", b'{"host": "h", "pid": "x", "fingerprint": "print"}\n'])
def test_what_cannot_be_read(output: OutputDir, text: bytes) -> None:
    output.progress.mkdir()
    epoch_file(output, KEY).write_bytes(text)
    assert epoch_log.read(epoch_file(output, KEY)) is None
    record_ends(output, PRINTS)
    assert curve(output) == []


def test_a_torn_line(output: OutputDir) -> None:
    mine = log(output)
    for epoch in (1, 2):
        mine.add(result(epoch))
    path = epoch_file(output, KEY)
    path.write_bytes(path.read_bytes()[:-9])
    assert [one.epoch for one in epoch_log.read(path).results] == [1]  # type: ignore[union-attr]


def test_a_long_training_is_kept_in_parts(output: OutputDir) -> None:
    many = 3 * MAX_EPOCHS
    mine = log(output)
    for epoch in range(1, many + 1):
        mine.add(result(epoch, of=many))
    record_ends(output, PRINTS)
    found = [epoch for epoch, _ in curve(output)]
    assert (found[0], found[-1]) == (1, many)
    assert len(found) <= MAX_EPOCHS + 2


def test_a_full_disk_is_no_error(output: OutputDir) -> None:
    output.progress.parent.joinpath("progress").write_text("a file where a folder should be")
    mine = log(output)
    mine.add(result(1))
    Recorder(output, PRINTS).started(KEY)
    record_ends(output, PRINTS)
