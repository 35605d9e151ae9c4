"""Ctrl-C and SIGTERM while Tune runs."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any

from ray.tune import Callback


class StopSignals(Callback):
    """Notes which signal stopped the sweep. A context manager for the driver, and a callback for Tune.

    After a SIGINT `Tuner.fit` returns as if all was well, and of SIGTERM it knows nothing. So its handler, which it
    sets anew at each `fit`, is wrapped at its first step, and a SIGTERM is handed on as a SIGINT. A second signal
    does not wait for Tune: it raises KeyboardInterrupt.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self.say = say
        self.caught: int | None = None
        self._wrapped: Any = None
        self._before: dict[int, Any] = {}

    def __enter__(self) -> StopSignals:
        """Takes both signals over, in the main thread (elsewhere Python does not allow it)."""
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._stop)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        """Gives them back; a KeyboardInterrupt ends here, and `caught` tells of it."""
        for number, handler in self._before.items():
            signal.signal(number, handler)
        if kind is KeyboardInterrupt:
            self.caught = self.caught or signal.SIGINT
            return True
        return False

    def arm(self) -> None:
        """Before each `fit`: Tune's handler of the round before goes, and the one for SIGTERM that Ray's start set."""
        self._wrapped = None
        for number in self._before:
            signal.signal(number, self._stop)

    def on_step_begin(self, iteration: int, trials: list[Any], **info: Any) -> None:
        """Wraps the handler that Tune has just set."""
        if self._before and self._wrapped is None:
            self._wrapped = signal.signal(signal.SIGINT, self._through_tune)

    def _through_tune(self, number: int, frame: FrameType | None) -> None:
        self.caught = self.caught or number
        self.say("stopping: Tune saves its state; once more stops at once")
        # Tune puts the handler back that it found, which is `_stop`.
        self._wrapped(number, frame)

    def _stop(self, number: int, frame: FrameType | None) -> None:
        first = self.caught is None
        self.caught = self.caught or number
        if first and number == signal.SIGTERM and self._wrapped is not None:
            signal.raise_signal(signal.SIGINT)
            return
        raise KeyboardInterrupt
