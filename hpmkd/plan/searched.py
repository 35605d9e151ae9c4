"""What a search (`adaptive`) chooses among: a function of its job alone, for workers and for estimates."""

from __future__ import annotations

import itertools
from typing import Any

from hpmkd.plan.job import Job

_LR, FACTORS = "fit.lr", "adaptive.lr_factors"
# Config key of the values -> which setting they are of.
_VALUES = {"adaptive.temperatures": "kd.temperature", "adaptive.alphas": "kd.alpha"}


def searched(job: Job) -> list[dict[str, float]]:
    """The candidates of a search: first that with the first value of each."""
    how = dict(job.hparams)
    axes: dict[str, list[Any]] = {}
    if FACTORS in how:
        axes[_LR] = [job.fit.lr * factor for factor in how[FACTORS]]
    axes |= {key: list(how[values]) for values, key in _VALUES.items() if values in how}
    return [dict(zip(axes, values, strict=True)) for values in itertools.product(*axes.values())]
