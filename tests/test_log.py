"""How lines reach people, and what happens where nobody reads them any more."""

from __future__ import annotations

import io
import logging
import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.table import Table

from hpmkd.log import LineHandler, any_text, console_lines, log, progress, show
from hpmkd.monitor.live import suits_a_live_view

ROOT = Path(__file__).resolve().parents[1]
TALK = """
import sys
from rich.table import Table
from hpmkd.log import console_lines, log, progress, show
sys.stdin.readline()
with console_lines(show_progress=True):
    for number in range(3):
        progress.info("progress")
        log.error("a fault")
    table = Table("column")
    table.add_row("value")
    show([table])
sys.exit(7)
"""
LONG = "/a/folder/that/is/deep" * 12


@pytest.fixture
def root_stream() -> Iterator[io.StringIO]:
    """Where a handler of the root logger writes, as programs and notebooks set one up."""
    stream = io.StringIO()
    handler, root = logging.StreamHandler(stream), logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    yield stream
    root.removeHandler(handler)
    root.setLevel(level)


def test_lines_and_tables(capsys: pytest.CaptureFixture[str]) -> None:
    table = Table("column")
    table.add_row("value")
    with console_lines(show_progress=True):
        progress.info(f"[1] %d 100% {LONG}")
        progress.error(f"Direct: FAILED\n    full error: {LONG}")
        log.warning("a notice")
        log.error("a fault")
        show([table])
    captured = capsys.readouterr()
    assert captured.out.startswith(f"[1] %d 100% {LONG}\nDirect: FAILED\n    full error: {LONG}\n")
    assert "value" in captured.out
    assert captured.err == "a notice\na fault\n"


def test_quiet_leaves_errors_and_notices(capsys: pytest.CaptureFixture[str]) -> None:
    with console_lines(show_progress=False):
        progress.info("a model")
        progress.error("a model that failed, which the last line names again")
        log.warning("a notice")
        log.error("a fault")
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "a notice\na fault\n")


def test_a_sweep_inside_a_command_says_each_line_once(capsys: pytest.CaptureFixture[str]) -> None:
    with console_lines(show_progress=False):
        with console_lines(show_progress=True):
            progress.info("a model")
            log.error("a fault")
        progress.info("not said")
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("a model\n", "a fault\n")


def test_one_sweep_after_another_says_each_line_once(capsys: pytest.CaptureFixture[str]) -> None:
    before = [(one.level, one.propagate, one.handlers[:]) for one in (log, progress)]
    for error in (None, KeyboardInterrupt, None):
        try:
            with console_lines(show_progress=True):
                assert sum(isinstance(one, LineHandler) for one in log.handlers) == 1
                progress.info("a model")
                if error is not None:
                    raise error
        except KeyboardInterrupt:
            pass
        assert [(one.level, one.propagate, one.handlers[:]) for one in (log, progress)] == before
    assert capsys.readouterr().out == "a model\n" * 3


def test_handlers_of_the_root_logger_do_not_repeat_lines(
    root_stream: io.StringIO, capsys: pytest.CaptureFixture[str]
) -> None:
    with console_lines(show_progress=True):
        progress.info("a model")
        log.error("a fault")
        logging.getLogger("somebody").info("a line of another library")
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("a model\n", "a fault\n")
    assert root_stream.getvalue() == "a line of another library\n"
    progress.info("outside of a sweep")
    assert root_stream.getvalue().endswith("outside of a sweep\n"), "a program's own logging has it"


def test_a_handler_that_a_user_adds_gets_every_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    handler = logging.FileHandler(tmp_path / "sweep.log")
    log.addHandler(handler)
    try:
        with console_lines(show_progress=True):
            progress.info("a model")
            log.error("a fault")
    finally:
        log.removeHandler(handler)
        handler.close()
    assert (tmp_path / "sweep.log").read_text() == "a model\na fault\n"
    assert capsys.readouterr().out == "a model\n"


def test_loggers_that_a_program_has_disabled_speak(capsys: pytest.CaptureFixture[str]) -> None:
    """`logging.config` disables every logger that it does not name."""
    log.disabled = progress.disabled = True
    try:
        with console_lines(show_progress=True):
            progress.info("a model")
        assert log.disabled
        assert progress.disabled
    finally:
        log.disabled = progress.disabled = False
    assert capsys.readouterr().out == "a model\n"


@pytest.mark.parametrize("no_color", [None, "1"])
def test_failures_are_red_on_a_terminal(monkeypatch: pytest.MonkeyPatch, no_color: str | None) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    for name, value in (("TERM", "xterm"), ("NO_COLOR", no_color), ("COLUMNS", "40")):
        monkeypatch.delenv(name, raising=False) if value is None else monkeypatch.setenv(name, value)
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    with console_lines(show_progress=True):
        progress.info("a [red]model[/] 12")
        progress.error(f"FAILED [b] 12 {LONG}")
    failure = f"FAILED [b] 12 {LONG}"
    expected = failure if no_color else f"\x1b[31m{failure}\x1b[0m"
    assert terminal.getvalue() == f"a [red]model[/] 12\n{expected}\n"


def test_letters_that_a_terminal_does_not_have(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="ascii"))
    with console_lines(show_progress=True):
        progress.info("a folder: /tmp/Übung\n  and more")
    assert raw.getvalue() == b"a folder: /tmp/\\xdcbung\n  and more\n"


@pytest.mark.parametrize(
    ("encoding", "errors", "expected"),
    [
        ("ascii", "strict", b"\\xdcbung \\xff\n"),
        ("utf-8", "strict", b"\xc3\x9cbung \\xff\n"),
        ("ascii", "surrogateescape", b"\\xdcbung \\xff\n"),
        ("utf-8", "surrogateescape", b"\xc3\x9cbung \xff\n"),
    ],
)
def test_any_text_can_be_printed(encoding: str, errors: str, expected: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bytes in names come out as they are only where the stream is meant for that."""
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding=encoding, errors=errors)
    monkeypatch.setattr(sys, "stdout", stream)
    with any_text():
        print("Übung \udcff", flush=True)
    assert (raw.getvalue(), stream.errors) == (expected, errors)


def test_without_a_command_only_warnings_are_said() -> None:
    """What somebody sees who imports the package, and has set up no logging."""
    code = "from hpmkd.log import log, progress; progress.info('a model'); log.warning('a notice')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert (done.stdout, done.stderr) == ("", "a notice\n")


def test_a_reader_that_is_gone_ends_nothing() -> None:
    """`run_sweep.py | head`, or a terminal that was closed."""
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", TALK], stdin=pipe, stdout=pipe, stderr=pipe, cwd=ROOT) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        process.stderr.close()
        process.stdin.write(b"\n")
        process.stdin.close()
        assert process.wait(60) == 7


def test_a_terminal_that_is_gone_ends_nothing() -> None:
    master, slave = pty.openpty()
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", TALK], stdin=pipe, stdout=slave, stderr=slave, cwd=ROOT) as process:
        assert process.stdin is not None
        os.close(slave)
        os.close(master)
        process.stdin.write(b"\n")
        process.stdin.close()
        assert process.wait(60) == 7


@pytest.mark.parametrize("closed", ["stdout", "stderr"])
def test_a_stream_that_was_closed_from_the_start(closed: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """`command >&-`: Python has None in its place then."""
    monkeypatch.setattr(sys, closed, None)
    with console_lines(show_progress=True):
        progress.info("a line")
        progress.error("a failure")
        log.error("an error")
    show([])
    assert not suits_a_live_view() or closed == "stderr"
