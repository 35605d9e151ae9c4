"""Packages that a tuning's sampler needs."""

from __future__ import annotations

import importlib.util

from hpmkd.errors import EnvironmentProblem


def need_sampler(name: str) -> None:
    """EnvironmentProblem where its package is not installed."""
    if name == "optuna" and importlib.util.find_spec("optuna") is None:
        raise EnvironmentProblem(
            "tune.sampler: the package optuna is not installed", expected="the optional extra tune", found="none",
            todo="pip install -e '.[tune]', or take --tune.sampler random",
        )  # fmt: skip
