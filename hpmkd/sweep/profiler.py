"""Notes, while a sweep runs, where its time goes."""

from __future__ import annotations

import time
from collections.abc import Collection
from typing import Any

from ray.tune import Callback

from hpmkd.cluster.resources import Share
from hpmkd.store.profile_file import Profile
from hpmkd.timings import Timings


class Profiler(Callback):
    """Fills a profile with what trials report at their end, and with how long the driver waited for them.

    Args:
        profile: what earlier starts have noted.
        timings: of this start.
    """

    def __init__(self, profile: Profile, timings: Timings) -> None:
        self.profile, self.timings = profile, timings
        self.busy, self.models, self.concurrent = 0.0, 0, 1
        self._started: dict[str, float] = {}
        self._found: dict[str, dict[str, Any]] = {}

    def round(self, wanted: Collection[str], share: Share) -> None:
        """A round begins."""
        self.concurrent = share.concurrent

    def close(self) -> None:
        """This start of the sweep has ended."""
        self.profile.add_start(self.models, self.concurrent, self.busy, self.timings.seconds)

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """A worker has been given a job."""
        self._started[trial.config["job"]] = time.monotonic()

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        """The last report of a trial says how long its parts took."""
        if "profile" in result:
            self._found[trial.config["job"]] = result["profile"]

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """The trial is over."""
        key = trial.config["job"]
        seconds = self._ended(key)
        if seconds is not None and key in self._found:
            self.models += 1
            self.profile.add_model(key, seconds, self._found.pop(key))

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """It failed; its seconds were spent all the same."""
        self._ended(trial.config["job"])

    def _ended(self, key: str) -> float | None:
        started = self._started.pop(key, None)
        if started is None:
            return None
        seconds = time.monotonic() - started
        self.busy += seconds
        return seconds
