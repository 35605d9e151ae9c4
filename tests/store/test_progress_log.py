"""Records of progress: written, torn, read again."""

from __future__ import annotations

import datetime
import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.frames import KEY, epoch

from hpmkd.plan.events import Failed, Finished, Resumed
from hpmkd.store.output_dir import OutputDir
from hpmkd.store.progress_log import MAX_EPOCHS, Recorder, progress_file, read, read_all


@pytest.fixture
def output(tmp_path: Path) -> OutputDir:
    return OutputDir(tmp_path)


def test_a_training_from_start_to_end(output: OutputDir) -> None:
    recorder = Recorder(output, {KEY: "abc"})
    recorder.started(KEY)
    found = read_all(output)[KEY]
    assert (found.state, found.epoch, found.fingerprint) == ("training", 0, "abc")
    for number in (1, 2, 3):
        recorder.record(epoch(number, 3))
    found = read_all(output)[KEY]
    assert (found.state, found.epoch, found.of, found.host, found.pid) == ("training", 3, 3, "node7", 77)
    assert [row["epoch"] for row in found.epochs] == [1, 2, 3]
    expected = {"epoch": 2, "train_loss": 0.5, "validation_accuracy_pct": 52.0, "lr": 0.001, "train_seconds": 4.0}
    assert found.epochs[1] == {**expected, "terms": {"ce": 0.25}}
    recorder.record(Finished(KEY, "trained", 71.0, 6.0))
    assert read_all(output)[KEY].state == "ended"


def test_epochs_that_are_told_together_are_written_together(output: OutputDir) -> None:
    recorder = Recorder(output)
    first, second, third = (epoch(number, 3) for number in (1, 2, 3))
    recorder.record(replace(third, earlier=(first.result, second.result)))
    found = read_all(output)[KEY]
    assert [row["epoch"] for row in found.epochs] == [1, 2, 3]
    assert (found.epoch, found.pid) == (3, 77)


def test_what_is_trained_twice_counts_once(output: OutputDir) -> None:
    """A kill after epoch 3, a resume from the checkpoint of epoch 1."""
    recorder = Recorder(output)
    for number in (1, 2, 3):
        recorder.record(epoch(number))
    recorder.started(KEY)
    recorder.record(epoch(2, train_loss=0.7))
    found = read_all(output)[KEY]
    assert [(row["epoch"], row["train_loss"]) for row in found.epochs] == [(1, 1.0), (2, 0.7)]


def test_a_failure_is_kept_until_the_next_attempt(output: OutputDir) -> None:
    recorder = Recorder(output)
    recorder.record(epoch(1))
    recorder.failed(KEY, "RuntimeError: boom")
    assert (read_all(output)[KEY].state, read_all(output)[KEY].message) == ("failed", "RuntimeError: boom")
    recorder.started(KEY)
    assert (read_all(output)[KEY].state, read_all(output)[KEY].message) == ("training", "")
    recorder.record(Failed(KEY, "epoch 2: the training loss is nan"))
    assert "nan" in read_all(output)[KEY].message


def test_other_settings_start_another_curve(output: OutputDir) -> None:
    Recorder(output, {KEY: "old"}).started(KEY)
    Recorder(output).record(epoch(1))
    Recorder(output, {KEY: "new"}).started(KEY)
    assert read_all(output)[KEY].epochs == ()


def test_since_is_when_the_attempt_began(output: OutputDir) -> None:
    path = progress_file(output, KEY)
    path.parent.mkdir()
    lines = [("01", 1), ("02", 2), ("03", 1), ("04", 2)]
    rows = [
        {"time": f"2026-01-{day}", "host": "h", "pid": 1, "event": "epoch", "of": 9, "epoch": e} for day, e in lines
    ]
    curve = dict.fromkeys(("train_loss", "validation_accuracy_pct", "lr", "train_seconds"))
    path.write_text("".join(json.dumps({**row, **curve, "terms": {}}) + "\n" for row in rows))
    found = read(path)
    assert found is not None
    assert (found.since, found.updated) == ("2026-01-03", "2026-01-04")


@settings(max_examples=40)
@given(cut=st.integers(0, 2000), more=st.integers(0, 2))
def test_torn_lines_cost_only_themselves(cut: int, more: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    """A kill at any byte, then further records by another process."""
    output = OutputDir(tmp_path_factory.mktemp("torn"))
    recorder = Recorder(output)
    for number in range(1, 6):
        recorder.record(epoch(number))
    path = progress_file(output, KEY)
    data = path.read_bytes()[:cut]
    path.write_bytes(data)
    whole = [json.loads(line)["epoch"] for line in data.split(b"\n") if line.endswith(b"}}")]
    for number in range(6, 6 + more):
        Recorder(output).record(epoch(number))
    found = read(path)
    expected = whole + list(range(6, 6 + more))
    assert [row["epoch"] for row in found.epochs] == expected if found else expected == []


@pytest.mark.parametrize(
    "line",
    ["", "{", "[]", "1", '{"event": "epoch"}', '{"event": "later", "time": "t", "host": "h", "pid": 1}', "\0\xff"],
)
def test_lines_of_others_are_left_out(line: str, output: OutputDir) -> None:
    recorder = Recorder(output)
    recorder.record(epoch(1))
    with progress_file(output, KEY).open("a", encoding="latin-1") as file:
        file.write(line + "\n")
    recorder.record(epoch(2))
    assert [row["epoch"] for row in read_all(output)[KEY].epochs] == [1, 2]


def test_what_is_no_number_is_none_and_the_file_stays_json(output: OutputDir) -> None:
    Recorder(output).record(epoch(1, train_loss=math.nan, lr=math.inf))
    row = read_all(output)[KEY].epochs[0]
    assert (row["train_loss"], row["lr"]) == (None, None)


def test_long_trainings_stay_small(output: OutputDir) -> None:
    recorder = Recorder(output)
    for number in range(1, 5001):
        recorder.record(epoch(number, 5000))
    found = read_all(output)[KEY]
    assert (found.epoch, len(found.epochs)) == (5000, MAX_EPOCHS + 1)
    assert progress_file(output, KEY).stat().st_size < 150_000


def test_where_a_job_goes_on_is_known_from_its_epochs(output: OutputDir) -> None:
    Recorder(output).record(Resumed(KEY, 3, 10))
    assert read_all(output) == {}
    assert read(progress_file(output, KEY)) is None


def test_a_disk_that_takes_nothing_stops_no_sweep(tmp_path: Path) -> None:
    (tmp_path / "progress").write_text("a file in the way")
    Recorder(OutputDir(tmp_path)).record(epoch(1))
    assert (tmp_path / "progress").read_text() == "a file in the way"


def test_an_epoch_that_was_told_late_has_the_time_of_its_end(output: OutputDir) -> None:
    recorder = Recorder(output)
    recorder.record(epoch(1, 2))
    recorder.record(replace(epoch(2, 2), ago=3600.0))
    first, second = (json.loads(line) for line in progress_file(output, KEY).read_text().splitlines())
    times = [datetime.datetime.fromisoformat(line["time"]) for line in (first, second)]
    assert 3590 < (times[0] - times[1]).total_seconds() <= 3601
