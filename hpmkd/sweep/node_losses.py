"""On a cluster, a trial whose node dies starts again elsewhere at once, and that does not count as its failure.

Tune may start it on the dead node once more, until the head of the cluster has noticed: some seconds, in which the few
restarts that a trial has of its own would be used up.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

import ray
from ray.tune import Callback

from hpmkd.sweep.failures import error_of

_OF_NODE = re.compile(r"its node (has died|is dead)")  # in what Ray says of a process
_MOST = 10  # of a trial in a round: a job that brings its node down each time is no victim


class NodeLosses(Callback):
    """Takes such failures out of what Tune counts."""

    def __init__(self) -> None:
        self._times: Counter[str] = Counter()

    def on_trial_recover(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Tune's hook: a trial has failed, and starts again."""
        if is_loss(error_of(trial)) and self._times[trial.trial_id] < _MOST:
            self._times[trial.trial_id] += 1
            trial.run_metadata.num_failures -= 1


def is_loss(error: BaseException) -> bool:
    """Whether the trial's process is not reached any more, as when its node dies, rather than ended by itself."""
    kinds = (ray.exceptions.ActorUnavailableError, ray.exceptions.NodeDiedError)
    died = isinstance(error, ray.exceptions.ActorDiedError) and _OF_NODE.search(str(error)) is not None
    return died or isinstance(error, kinds)
