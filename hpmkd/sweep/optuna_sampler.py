"""Optuna's sampler for a tuning (extra `tune`). Imported only where it is asked for."""

from __future__ import annotations

from typing import Any

import optuna
from ray.tune.search.optuna import OptunaSearch

from hpmkd.sweep.candidates import LOSS


class OptunaSampler(OptunaSearch):
    """TPE, which learns from comparisons alone: candidates also report to save an epoch, without a loss."""

    def __init__(self, first: dict[str, float], seed: int) -> None:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        super().__init__(metric=LOSS, mode="min", points_to_evaluate=[first], seed=seed)

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        """Tune's hook, for each report."""
        if LOSS in result:
            super().on_trial_result(trial_id, result)

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """Tune's hook; a trial whose last report has no loss has failed."""
        told = result if result is not None and LOSS in result else None
        super().on_trial_complete(trial_id, told, error or told is None)
