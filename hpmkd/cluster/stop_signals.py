"""How a sweep is stopped: Ctrl-C, SIGTERM, a closed terminal, and faults that a watching thread finds."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType, TracebackType

SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
GRACEFUL_SECONDS = 27.0
FORCED_SECONDS = 1.5
_SAME_SECONDS = 2.0


class Interrupted(KeyboardInterrupt):
    """A fault that a thread reported, raised in the main thread. No `Exception`: nothing between may swallow it."""


class StopSignals:
    """Notes which signal stopped the sweep. A context manager around the whole command.

    The first signal: while `graceful` is set, `sweep/graceful_stop.py` ends the work; else, and where
    that takes longer than `GRACEFUL_SECONDS`, KeyboardInterrupt. The second: `force_stop()` ends what would keep us,
    then KeyboardInterrupt. Foreign code can still hold it up: Ray's end takes 5 to 7 s where its processes are
    dead. So a process that does nothing but this sweep (`owns_process`) and is still there after `FORCED_SECONDS`
    exits, with `exit_message`. A SIGTERM right after the first is no second one.
    """

    def __init__(self, owns_process: bool = False) -> None:
        self.owns_process = owns_process
        self.exit_message: Callable[[int], str] = lambda number: ""
        self.caught: int | None = None
        self.graceful = False
        self.force_stop: Callable[[], object] = lambda: None
        self.main_thread = threading.current_thread() is threading.main_thread()
        self._caught_at, self._woken = 0.0, False
        self._hurried = False
        self._fault: Interrupted | None = None
        self._raised: Interrupted | None = None
        self._left, self._gate = threading.Event(), threading.Lock()
        self._before: dict[int, signal.Handlers | Callable[[int, FrameType | None], object] | int | None] = {}

    def __enter__(self) -> StopSignals:
        """Takes the signals over, in the main thread (elsewhere Python does not allow it)."""
        for number in SIGNALS if self.main_thread else ():
            ignored = number != signal.SIGINT and signal.getsignal(number) == signal.SIG_IGN
            if not ignored:  # nohup means it
                self._before[number] = signal.signal(number, self.handle)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        """Gives them back; a KeyboardInterrupt ends here, and `caught` tells of it."""
        with self._gate:
            self._left.set()
        for number, handler in self._before.items():
            # None: a handler that C code had set, which Python cannot set again.
            signal.signal(number, handler if handler is not None else signal.SIG_DFL)
        if kind is KeyboardInterrupt:
            self.caught = self.caught or signal.SIGINT
            return True
        return False

    def arm(self) -> None:
        """Takes the signals back: Ray's start and each of Tune's runs set handlers of their own."""
        for number in self._before:
            signal.signal(number, self.handle)

    def handle(self, number: int, frame: FrameType | None) -> None:
        """The handler; it runs in the main thread, between two of its steps."""
        if self._fault is not None:
            fault, self._fault = self._fault, None
            self._raised = fault
            raise fault
        woken, self._woken = self._woken, False
        if not woken and number == signal.SIGTERM == self.caught and self._soon():
            return  # a scheduler told all processes of the job, and the job's script told us once more
        first, self.caught = self.caught is None, self.caught or number
        if first:
            self._caught_at = time.monotonic()
        if self.owns_process and hasattr(signal, "alarm"):
            # Ray's own handler of SIGTERM, in the moments in which it is set, expects the end within 3 seconds, and has
            # an alarm abort the process then; the end of a sweep can take longer.
            signal.alarm(0)
        if first:
            threading.Thread(target=self._on_timeout, daemon=True).start()
            if self.graceful:
                return
        elif not self._hurried:
            self._hurried = True
            threading.Thread(target=self._leave, daemon=True).start()
        raise KeyboardInterrupt

    def interrupt(self, fault: Interrupted, stuck: Callable[[], object], patience: float = 10.0) -> None:
        """From another thread: raises `fault` in the main thread.

        Args:
            fault: what to raise.
            stuck: called where the main thread sits in foreign code and has not raised it after `patience`.
            patience: in seconds.
        """
        self._fault = fault
        while self._before and not self._left.is_set():
            self._wake()
            if self._left.wait(0.5) or self._fault is None:
                return
            patience -= 0.5
            if patience <= 0:
                stuck()
                return

    @contextlib.contextmanager
    def faults(self) -> Iterator[None]:
        """Around a body that `interrupt` may reach. Foreign code in it can make a plain KeyboardInterrupt of the fault,
        as Ray does where it waits in C++; out of here it comes as what it was."""
        try:
            yield
        except KeyboardInterrupt as error:
            fault, self._raised = self._raised, None
            if fault is None or fault is error:
                raise
            raise fault from None

    def _soon(self) -> bool:
        return time.monotonic() - self._caught_at < _SAME_SECONDS

    def _wake(self) -> None:
        """Makes the main thread run `handle`: a signal that it gets itself also ends its waiting system calls."""
        with self._gate:  # after `__exit__` the same signal would end the whole process
            if not self._left.is_set():
                # Tune may hold SIGINT for a moment; SIGTERM is only ever Ray's or ours.
                self._woken = True
                signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGTERM)

    def _on_timeout(self) -> None:
        if not self._left.wait(GRACEFUL_SECONDS):
            self._wake()

    def _leave(self) -> None:
        start = time.monotonic()
        self.force_stop()
        number = self.caught or signal.SIGINT
        if not self._left.wait(max(0.0, start + FORCED_SECONDS - time.monotonic())) and self.owns_process:
            hard_exit(128 + number, self.exit_message(number))


def hard_exit(code: int, message: str = "") -> None:
    """Exits at once, without what Python does at an exit: for a process whose main thread no longer answers."""
    # Past a live view, whose lock the main thread may hold, and below the line that it has not ended.
    out, err = (getattr(stream, "rich_proxied_file", stream) for stream in (sys.stdout, sys.stderr))
    with contextlib.suppress(OSError, ValueError):
        if message:
            print("\n" * (err is not sys.stderr) + message, file=err)
    for stream in (out, err):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)
