"""Tune's first-in-first-out order, at a cost that does not grow with the sweep."""

from __future__ import annotations

from typing import Any

from ray.tune.experiment import Trial
from ray.tune.schedulers import FIFOScheduler


class FirstOpen(FIFOScheduler):
    """Runs trials in the order in which they came, as its base class does, which reads all trials at each step."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._open: list[Trial] = []

    def on_trial_add(self, tune_controller: Any, trial: Trial) -> None:
        """A new trial, one of a restored round, or, once more, one that starts again after a failure."""
        if trial not in self._open:
            self._open.append(trial)

    def choose_trial_to_run(self, tune_controller: Any) -> Trial | None:
        """The oldest that waits for a worker, else the oldest that was paused."""
        self._open = [trial for trial in self._open if not trial.is_finished()]
        for status in (Trial.PENDING, Trial.PAUSED):
            for trial in self._open:
                if trial.status == status:
                    return trial
        return None
