"""The section `tune`: how the settings of a baseline are chosen on validation images, with the same budget for each."""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import Field, field_validator

from hpmkd.config.fields import Positive, Rejected, Section

MOST_TRIALS = 1000


class TuneConfig(Section):
    """A tuning: a baseline's own weights and the learning rate, by Ray Tune trials on validation images."""

    every: bool = Field(False, description="tune every baseline; of one alone the word `tuned` says it")
    trials: Annotated[int, Field(ge=2, le=MOST_TRIALS)] = Field(
        12, description="how many settings are tried for each baseline; the first are the config's own"
    )
    multiply_adds: Positive | None = Field(
        None,
        description="in place of trials: a budget per baseline, so that of a dearer method fewer settings are tried",
    )
    sampler: Literal["random", "optuna"] = Field(
        "random", description="where settings come from: random, the same quantiles for all baselines; optuna: its "
        "TPE sampler, from what was tried before (extra `tune`)"
    )  # fmt: skip
    scheduler: Literal["asha", "none"] = Field(
        "asha", description="asha: stops the worse ones early (Li et al. 2020); none: each is trained to its end"
    )
    reduction_factor: Annotated[int, Field(ge=2)] = Field(3, description="asha: 1 of this many goes on at each stage")
    first: Annotated[float, Field(gt=0, le=1)] = Field(
        0.2, description="asha: part of the student's epochs after which settings are compared first"
    )
    metric: Literal["likelihood", "accuracy"] = Field(
        "likelihood", description="what is compared: the log-likelihood of the labels, at the temperature that fits "
        "best, or the accuracy"
    )  # fmt: skip
    one_standard_error: bool = Field(
        True, description="keep the config's own settings unless others are better by more than a standard error"
    )
    lr: bool = Field(True, description="also tune the student's learning rate")
    space: dict[str, list[float]] = Field(
        {}, description="ranges in place of the usual ones, such as {kd.temperature: [1, 16], fit.lr: [1e-4, 1e-2]}; "
        "on a logarithmic scale where they begin above 0",
        examples=["{kd.temperature: [1, 16], fit.lr: [1e-4, 1e-2]}"],
    )  # fmt: skip

    @field_validator("space")
    @classmethod
    def _ranges(cls, value: dict[str, list[float]]) -> dict[str, list[float]]:
        for key, ends in value.items():
            if len(ends) != 2 or not ends[0] < ends[1] or not all(map(math.isfinite, ends)):
                raise Rejected(
                    f"of {key} the lowest and the highest value", found=f"{key}: {ends}",
                    todo=f"write {key}: [LOW, HIGH]",
                )  # fmt: skip
        return value
