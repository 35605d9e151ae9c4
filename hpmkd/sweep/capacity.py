"""Follows a cluster whose nodes come and go: as many models are trained side by side as there is room for now."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from typing import Any

import ray
from ray.tune import Callback

from hpmkd.cluster.resources import Shares
from hpmkd.log import progress
from hpmkd.sweep.searcher import JobQueue

_LOOK_SECONDS = 5.0


class Capacity(Callback):
    """Looks every few seconds how much there is.

    Args:
        queue: which hands out jobs for so many places.
        shares: of the round.
        limit: how many side by side at most; None: as many as fit.
        changed: is told when there are more or fewer.
    """

    def __init__(self, queue: JobQueue, shares: Shares, limit: int | None, changed: Callable[[Shares], object]) -> None:
        self.queue, self.shares, self.limit, self.changed = queue, shares, limit, changed
        self._next = time.monotonic() + _LOOK_SECONDS

    def on_step_begin(self, iteration: int, trials: list[Any], **info: Any) -> None:
        """Before Tune asks for more trials."""
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + _LOOK_SECONDS
        with contextlib.suppress(ray.exceptions.RayError, RuntimeError, OSError):  # the head is gone: Ray ends us
            self._follow(self.shares.now(self.limit))

    def _follow(self, shares: Shares) -> None:
        if shares.places == self.queue.places:
            return
        self.queue.resize(shares.places)
        self.changed(shares)
        progress.info(f"{shares.side_by_side} side by side from now on")
