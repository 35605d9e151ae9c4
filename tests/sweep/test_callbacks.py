"""What the driver says and records while trials report."""

from __future__ import annotations

import errno
import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ray.tune.trainable.metadata import _TrainingRunMetadata
from support.plans import plan

from hpmkd.errors import EnvironmentProblem, HpmkdError
from hpmkd.plan.events import EpochEnded, EpochResult, Event, Failed, Finished, Resumed, Unsent
from hpmkd.plan.job import label
from hpmkd.store.output_dir import OutputDir
from hpmkd.store.progress_log import read_all
from hpmkd.sweep.callbacks import EventLog, Records, TrimMetrics
from hpmkd.sweep.failures import Failure, exit_code
from hpmkd.sweep.reports import to_report

JOBS = {job.key: job for job in plan(1, ["Direct", "TAKD"], 5)}
STUDENT, TEACHER, ASSISTANT = "student_D0_Direct_run3", "teacher_D0", "assistant_D0_TAKD"


class Trial:
    """As much of Tune's trial as is looked at."""

    error_file: str | None = "/somewhere/error.txt"
    path: str | None = None
    run_metadata: Any = None

    def __init__(self, key: str, error: Exception | None = None) -> None:
        self.config, self.error = {"job": key}, error

    def get_pickled_error(self) -> Exception | None:
        return self.error


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> EventLog:
    """What it says is in `caplog`."""
    caplog.set_level("INFO", "hpmkd")
    return EventLog(JOBS, 5)


def test_a_finished_trial_keeps_its_numbers_without_their_windows() -> None:
    metadata = _TrainingRunMetadata(n_steps=(5, 10))
    for step, accuracy in enumerate((50.0, 70.0, 60.0), start=1):
        metadata.update_metric("accuracy", accuracy, step)
        metadata.update_metric("time_since_restore", step, step)
    before = len(metadata.get_json_state())
    trial = Trial(STUDENT)
    trial.run_metadata = metadata
    TrimMetrics().on_trial_complete(0, [], trial)
    assert len(metadata.get_json_state()) < before - 400
    kept = _TrainingRunMetadata.from_json_state(metadata.get_json_state()).metric_analysis
    assert list(kept) == ["accuracy"]
    assert (kept["accuracy"]["max"], kept["accuracy"]["last"], kept["accuracy"]["avg"]) == (70.0, 60.0, 60.0)


def report(callback: Any, event: Event) -> None:
    """As Tune does, which adds numbers of its own."""
    added = {"training_iteration": 3, "time_total_s": 9.0, "hostname": "node7", "pid": 41}
    callback.on_trial_result(0, [], Trial(event.job), to_report(event) | added)


def test_labels() -> None:
    texts = [label(JOBS[key], 5) for key in (STUDENT, TEACHER, ASSISTANT)]
    assert texts == ["Direct run 3/5 D0", "teacher D0", "TAKD assistant D0"]


def test_trained_and_resumed(lines: EventLog, caplog: pytest.LogCaptureFixture) -> None:
    report(lines, Resumed(STUDENT, 7, 30))
    for epoch in (8, 9):
        report(lines, EpochEnded(STUDENT, EpochResult(epoch, 1.0, {}, 50.0, 0.1, 1.0, 30)))
    report(lines, Finished(STUDENT, "trained", 69.123, 611.61))
    report(lines, Finished(TEACHER, "recalled", 98.7, 611.61))
    report(lines, Finished("of another plan", "trained", 69.123, 611.61))
    lines.on_trial_result(0, [], Trial(STUDENT), {"job": STUDENT, "done": True})
    assert caplog.messages == [
        "Direct run 3/5 D0: continues after epoch 7/30",
        "Direct run 3/5 D0: 69.12% in 611.6s, saved student_D0_Direct_run3.pt",
        "teacher D0: teacher_D0.pt (98.70%) from the shared memory: trained before, by this or another sweep",
    ]


def test_a_model_that_waits_on_its_node(lines: EventLog, caplog: pytest.LogCaptureFixture) -> None:
    report(lines, Unsent(STUDENT, "s3://x: cannot write: no network"))
    (said,) = caplog.messages
    assert said.startswith(f"{STUDENT}.pt is finished on node7, and cannot be copied from there: s3://x: cannot write")
    assert list(lines.unsent) == [STUDENT]
    report(lines, Finished(STUDENT, "found", 50.0, 1.0))
    assert caplog.messages[1].endswith(f"{STUDENT}.pt was finished already on node7")
    assert not lines.unsent


def test_why_a_model_in_training_starts_again(lines: EventLog, caplog: pytest.LogCaptureFixture) -> None:
    lines.on_trial_recover(0, [], Trial(STUDENT, RuntimeError("its process died\nmore")))
    assert caplog.messages == ["Direct run 3/5 D0: starts again, RuntimeError: its process died"]
    report(lines, Finished(STUDENT, "trained", accuracy_pct=90.0, train_seconds=1.0))
    caplog.clear()
    lines.on_trial_recover(0, [], Trial(STUDENT, RuntimeError("its process died")))
    assert not caplog.messages, "its model is there"


def test_failures_are_kept_until_a_later_attempt_succeeds(lines: EventLog, caplog: pytest.LogCaptureFixture) -> None:
    report(lines, Failed(STUDENT, "epoch 1: the training loss is nan"))
    lines.on_trial_error(0, [], Trial(TEACHER, HpmkdError("disk", found="full")))
    lines.on_trial_error(0, [], Trial(ASSISTANT, ValueError("odd\nmore")))
    log = "/somewhere/error.txt"
    assert lines.failed == {
        STUDENT: Failure("diverged", "epoch 1: the training loss is nan"),
        TEACHER: Failure("error", "disk\n  found: full", log),
        ASSISTANT: Failure("error", "ValueError: odd", log),
    }
    assert lines.failed_now == {STUDENT, TEACHER, ASSISTANT}
    assert caplog.messages[0] == "Direct run 3/5 D0: DIVERGED, epoch 1: the training loss is nan"
    assert caplog.messages[1:] == [
        f"teacher D0: FAILED, disk\n  found: full\n    full error: {log}",
        f"TAKD assistant D0: FAILED, ValueError: odd\n    full error: {log}",
    ]
    assert {record.levelname for record in caplog.records} == {"ERROR"}
    report(lines, Finished(STUDENT, "trained", 1.0, 1.0))
    assert STUDENT not in lines.failed


@pytest.mark.parametrize(
    ("error", "of_machine"),
    [
        (EnvironmentProblem("x.pt: cannot be written", expected="10 bytes"), True),
        (OSError(errno.ENOSPC, "No space left on device"), True),
        (OSError(errno.EIO, "Input/output error"), True),
        (FileNotFoundError(errno.ENOENT, "No such file"), False),
        (HpmkdError("x.pt: the teacher cannot be used"), False),
        (MemoryError(), False),
    ],
)
def test_failures_of_the_machine_are_told_apart(lines: EventLog, error: Exception, of_machine: bool) -> None:
    lines.on_trial_error(0, [], Trial(TEACHER, error))
    assert (lines.failed[TEACHER].kind == "machine") == of_machine
    assert exit_code(lines.failed.values()) == (3 if of_machine else 1)


def test_a_torn_record_of_a_failure(lines: EventLog, tmp_path: Path) -> None:
    """On a full disk Tune cannot read its own record in the output; the cause is known all the same."""

    class Torn(Trial):
        pickled_error_file = str(tmp_path / "error.pkl")

        def get_pickled_error(self) -> Exception | None:
            raise EOFError("Ran out of input")

    (tmp_path / "error.pkl").write_bytes(pickle.dumps(OSError(errno.ENOSPC, "No space left on device")))
    lines.on_trial_error(0, [], Torn(TEACHER))
    known = Failure("machine", "OSError: [Errno 28] No space left on device", "/somewhere/error.txt")
    assert lines.failed[TEACHER] == known
    (tmp_path / "error.pkl").unlink()
    later = Torn(TEACHER)
    later.error_file = "/somewhere/later.txt"
    lines.on_trial_error(0, [], later)
    assert lines.failed[TEACHER] == replace(known, log="/somewhere/later.txt"), "the reason that was known is kept"
    lines.on_trial_error(0, [], Torn(STUDENT))
    assert lines.failed[STUDENT].reason.startswith("NoRecord: it left no readable error")
    assert lines.failed[STUDENT].kind == "error"


def test_failures_are_told_apart(lines: EventLog) -> None:
    lines.on_trial_error(0, [], Trial(STUDENT, MemoryError()))
    lines.on_trial_error(0, [], Trial(ASSISTANT, ValueError("mine")))
    report(lines, Failed(TEACHER, "epoch 1: the training loss is nan"))
    kinds = {key: failure.kind for key, failure in lines.failed.items()}
    assert kinds == {STUDENT: "killed", ASSISTANT: "error", TEACHER: "diverged"}


def test_the_error_log_that_is_named_lies_in_the_output(
    lines: EventLog, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Tune writes it into a session folder of Ray first, which is no place for people to look in."""
    trial = Trial(STUDENT, ValueError("mine"))
    session, kept = tmp_path / "session", tmp_path / "out"
    for folder in (session, kept):
        folder.mkdir()
    (session / "error.txt").write_text("Traceback: mine")
    trial.error_file, trial.path = str(session / "error.txt"), str(kept)
    lines.on_trial_error(0, [], trial)
    assert f"full error: {kept / 'error.txt'}" in caplog.messages[-1]
    assert (kept / "error.txt").read_text() == "Traceback: mine"


def test_records_follow_a_trial_to_its_end_and_to_its_failure(tmp_path: Path) -> None:
    callback = Records(JOBS, OutputDir(tmp_path))
    callback.on_trial_start(0, [], Trial(STUDENT))
    report(callback, EpochEnded(STUDENT, EpochResult(1, 2.0, {}, 50.0, 0.1, 1.0, 2)))
    found = read_all(OutputDir(tmp_path))[STUDENT]
    assert (found.state, found.epoch, found.of, found.host, found.pid) == ("training", 1, 2, "node7", 41)
    assert found.fingerprint == JOBS[STUDENT].fingerprint
    report(callback, Finished(STUDENT, "trained", 50.0, 1.0))
    assert read_all(OutputDir(tmp_path))[STUDENT].state == "ended"
    callback.on_trial_start(0, [], Trial(TEACHER))
    callback.on_trial_error(0, [], Trial(TEACHER, ValueError("no luck")))
    found = read_all(OutputDir(tmp_path))[TEACHER]
    assert (found.state, found.message) == ("failed", "ValueError: no luck")
