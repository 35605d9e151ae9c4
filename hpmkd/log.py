"""Lines for people: three loggers, and how their lines reach a terminal.

`progress` has the lines of a sweep (a model is trained, one failed): they go to standard output, and `--quiet` hides
them. `log` has errors and notices: they go to standard error in any case. `steps` says what a command that prints its
result at the end is doing: on standard error, and only to a terminal (`step_lines`). A command, and `run_sweep`, prints
them with `console_lines`; anywhere else they follow the logging that the program has set up.
"""

from __future__ import annotations

import codecs
import contextlib
import io
import logging
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from rich.console import RenderableType

log = logging.getLogger("hpmkd")
progress = logging.getLogger("hpmkd.progress")
steps = logging.getLogger("hpmkd.steps")

Stream = Literal["stdout", "stderr"]
_OFF = logging.CRITICAL + 1
steps.setLevel(_OFF)  # wherever `step_lines` has not turned them on


class LineHandler(logging.Handler):
    """Prints each record as a line as it is: never wrapped, nothing highlighted, so that paths can be copied.

    Errors are red on a terminal. A terminal that was closed, or a pipe that nobody reads, never ends a sweep.
    """

    def __init__(self) -> None:
        super().__init__()
        self.above: Callable[[str, bool], None] | None = None

    def emit(self, record: logging.LogRecord) -> None:
        """Prints the record; a line of progress above the live view, where there is one."""
        text, is_error = self.format(record), record.levelno >= logging.ERROR
        if record.name != progress.name:
            print_line(text, "stderr", is_error)
        elif self.above is not None:
            self.above(text, is_error)
        else:
            print_line(text, "stdout", is_error)


@contextlib.contextmanager
def console_lines(show_progress: bool) -> Iterator[None]:
    """Prints what is logged while the body lasts; afterwards logging is as it was.

    Handlers of the root logger do not get these lines too: a notebook would show them twice. Loggers of others are left
    alone, and so are handlers that somebody has added to the logger `hpmkd`.

    Args:
        show_progress: print the lines of a sweep, not only errors and notices.
    """
    before = [(logger, logger.level, logger.propagate, logger.disabled) for logger in (log, progress)]
    handler = None if _installed() else LineHandler()
    if handler is not None:
        log.addHandler(handler)
    log.setLevel(logging.INFO)
    progress.setLevel(logging.INFO if show_progress else _OFF)
    log.propagate, log.disabled, progress.disabled = False, False, False
    try:
        yield
    finally:
        if handler is not None:
            log.removeHandler(handler)
        for logger, level, propagate, disabled in before:
            logger.setLevel(level)
            logger.propagate, logger.disabled = propagate, disabled


@contextlib.contextmanager
def step_lines(show: bool) -> Iterator[None]:
    """Prints the lines of `steps` while the body lasts, if `show` and if standard error is a terminal."""
    before = steps.level
    is_terminal = sys.stderr is not None and sys.stderr.isatty()
    steps.setLevel(logging.INFO if show and is_terminal else _OFF)
    try:
        yield
    finally:
        steps.setLevel(before)


@contextlib.contextmanager
def lines_above(write: Callable[[str, bool], None]) -> Iterator[None]:
    """Hands the lines of progress to `write` (text, whether it is an error) while the body lasts: a live view's."""
    handlers = _installed()
    for handler in handlers:
        handler.above = write
    try:
        yield
    finally:
        for handler in handlers:
            handler.above = None


def _installed() -> list[LineHandler]:
    return [handler for handler in log.handlers if isinstance(handler, LineHandler)]


def print_line(text: str, name: Stream, is_error: bool = False) -> None:
    """Prints a line, red if it is an error and a terminal shows it; where nobody reads any more, nothing happens."""
    stream = getattr(sys, name)
    if stream is None:
        return  # the process was started with this stream closed
    try:
        if is_error and stream.isatty():
            from rich.console import Console
            from rich.text import Text

            console = Console(file=stream, highlight=False, force_jupyter=False)
            console.print(Text(text, style="red"), soft_wrap=True)
            stream.flush()
        else:
            print(text, file=stream, flush=True)
    except UnicodeEncodeError:
        encoding = stream.encoding or "ascii"
        print_line(text.encode(encoding, _ESCAPED).decode(encoding), name, is_error)
    except (OSError, ValueError):  # ValueError: a file that is closed
        _mute(name)


@contextlib.contextmanager
def any_text() -> Iterator[None]:
    """While the body lasts, both streams take any text: letters that their encoding does not have, and bytes in names
    of files that are no text, are written as escapes."""
    found = [(one, one.errors) for one in (sys.stdout, sys.stderr) if isinstance(one, io.TextIOWrapper)]
    changed = [(one, errors) for one, errors in found if not _keeps_bytes(one)]
    for one, _ in changed:
        one.reconfigure(errors=_ESCAPED)
    try:
        yield
    finally:
        for one, errors in changed:
            with contextlib.suppress(ValueError):  # it was closed meanwhile
                one.reconfigure(errors=errors)


def _keeps_bytes(stream: io.TextIOWrapper) -> bool:
    """Whether names of files come out as the bytes that they are."""
    return stream.errors == "surrogateescape" and stream.encoding.lower() in ("utf-8", "utf8")


def _escape(error: UnicodeError) -> tuple[str, int]:
    """For `codecs`: a byte of a name as `\\xff`, anything else as Python writes it."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = error.object[error.start : error.end]
    return "".join(map(_escaped, text)), error.end


def _escaped(letter: str) -> str:
    number = ord(letter) - 0xDC00
    return f"\\x{number:02x}" if 0x80 <= number <= 0xFF else letter.encode("ascii", "backslashreplace").decode()


_ESCAPED = "hpmkd-escaped"
codecs.register_error(_ESCAPED, _escape)


def show(tables: Iterable[RenderableType]) -> None:
    """Prints tables, as wide as the terminal."""
    from rich.console import Console

    if sys.stdout is None:
        return
    try:
        console = Console()
        for table in tables:
            console.print(table)
    except (OSError, SystemExit):  # rich makes an exit of a pipe that nobody reads
        _mute("stdout")


def _mute(name: Stream) -> None:
    """From now on nothing is written there: Python's own flush at its exit would fail again."""
    setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115 - it stays open
