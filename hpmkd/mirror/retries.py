"""Trying again what a network can refuse, with growing pauses."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

from tenacity import Retrying, retry_if_exception, stop_after_delay, stop_when_event_set, wait_random_exponential
from tenacity.nap import sleep_using_event

from hpmkd.errors import MirrorProblem, NotInMirror

Result = TypeVar("Result")
LONGEST_SECONDS = 60.0


def patiently(
    work: Callable[[], Result],
    seconds: float,
    over: threading.Event | None = None,
    failed: Callable[[MirrorProblem], object] | None = None,
    awaited: bool = False,
) -> Result:
    """What `work` returns; it is called again, after pauses that grow to a minute, where the network fails.

    Args:
        work: what to do, from the beginning each time.
        seconds: for how long it is tried again.
        over: set from outside: it is not tried again.
        failed: is told of each failure before a pause.
        awaited: what is not there may still come, so that it is tried again, too.

    Raises:
        MirrorProblem: the last failure; one that says that a file is not there at once, if it is not awaited.
    """
    over = over or threading.Event()
    retrying = Retrying(
        # Random, so that machines do not come back all at once.
        wait=wait_random_exponential(multiplier=1.0, max=LONGEST_SECONDS),
        stop=stop_after_delay(seconds) | stop_when_event_set(over),
        retry=retry_if_exception(
            lambda error: isinstance(error, MirrorProblem) and (awaited or not isinstance(error, NotInMirror))
        ),
        before_sleep=lambda state: _tell(failed, state.outcome.exception() if state.outcome else None),
        sleep=sleep_using_event(over),
        reraise=True,
    )
    return retrying(work)


def _may_pass(error: BaseException) -> bool:
    return isinstance(error, MirrorProblem) and not isinstance(error, NotInMirror)


def _tell(failed: Callable[[MirrorProblem], object] | None, error: BaseException | None) -> None:
    if failed is not None and isinstance(error, MirrorProblem):
        failed(error)
