"""The settings of each method: one section of the config each."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from hpmkd.config.fields import (
    OPTION,
    PLAN,
    Fraction,
    NonNegative,
    Positive,
    PositiveInt,
    Rejected,
    Section,
    each_different,
)


class KDConfig(Section):
    """Hinton et al. 2015; every other method adds a term on top of it."""

    temperature: Positive = Field(4.0, description="temperature T, softens both distributions")
    alpha: Fraction = Field(
        0.9, description="weight of the distillation term; the loss on the labels has weight 1 - alpha"
    )
    until: Annotated[float, Field(gt=0, le=1)] = Field(
        1.0, description="fraction of the training with distillation; after it, labels alone (Cho and Hariharan 2019)",
        json_schema_extra=OPTION,
    )  # fmt: skip
    mixup: NonNegative | None = Field(
        None, description="mixup of models trained by distillation (Beyer et al. 2022); default: fit.mixup",
        json_schema_extra=PLAN,
    )  # fmt: skip
    alone: bool = Field(
        False, description="methods that compare feature maps: their term and the labels, without KD",
        json_schema_extra=OPTION,
    )  # fmt: skip
    standardise: bool = Field(
        False, description="standardise logits before they are compared (Sun et al. 2024), see section ls",
        json_schema_extra=OPTION,
    )  # fmt: skip
    logits: Literal["auto", "live", "cached"] = Field(
        "auto", description="teachers of which only the logits are needed: live runs them at every step, cached "
        "computes their logits once per view; auto: cached if it saves time within one student's epochs "
        "and fits into cache_gib, else a teacher answers once for all students of a run",
        json_schema_extra=PLAN,
    )  # fmt: skip
    cache_gib: Positive = Field(
        2.0, description="logits auto: size limit of a cache in GiB; above it the teacher runs at every step",
        json_schema_extra=PLAN,
    )  # fmt: skip


class TAKDConfig(Section):
    """Mirzadeh et al. 2020."""

    size: Positive | None = Field(
        None, description="number of parameters of the assistant; default: geometric mean of teacher's and student's"
    )
    steps: Annotated[int, Field(ge=1, le=20)] = Field(
        1, description="number of assistants between teacher and student, each taught by the one before it"
    )

    @model_validator(mode="after")
    def _one_size(self) -> TAKDConfig:
        if self.size is not None and self.steps > 1:
            raise Rejected(
                "nothing beside takd.steps above 1: it is the size of one assistant, and several have geometric sizes",
                found=f"{self.size:g} beside takd.steps: {self.steps}",
                todo="leave one of them out",
                key="takd.size",
            )
        return self


class HPMKDConfig(Section):
    """HPM-KD: one switch per component, and the settings of each."""

    chain: bool = Field(True, description="progressive chain: assistants between teacher and student")
    chain_length: Annotated[int, Field(ge=0, le=20)] | None = Field(
        0, description="number of assistants; null: each model has about a quarter of the size of the one before"
    )
    multi_teacher: bool = Field(True, description="several teachers at once: all teachers and the chain's assistants")
    teachers: Annotated[int, Field(ge=1, le=20)] | None = Field(
        None, description="M, the number of teachers with different seeds; default: 1, and 2 where a method is about "
        "several (KD-Ensemble)"
    )  # fmt: skip
    weighting: Literal["attention", "uniform", "confidence"] = Field(
        "attention", description="how teachers are weighted for each image"
    )
    entropy_bonus: NonNegative = Field(0.1, description="attention: keeps the weights from collapsing onto one teacher")
    gate_steps: PositiveInt = Field(200, description="attention: number of its training steps, on validation images")
    meta_temperature: bool = Field(True, description="T changes during the training")
    schedule: Literal["cosine", "loss", "convergence"] = Field("cosine", description="meta temperature: what T follows")
    t_high: Positive = Field(0.5, description="meta temperature: T at the start, as a multiple of kd.temperature")
    t_low: Positive = Field(1.5, description="meta temperature: T at the end, as a multiple of kd.temperature")
    shared_memory: bool = Field(
        True,
        description="shared memory: reuse teachers, assistants and searches of any sweep with the same settings",
    )
    adaptive: bool = Field(
        True, description="adaptive configuration: the learning rate comes from a search, see section adaptive"
    )
    parallel: bool = Field(
        True, description="parallel pipeline: train its models side by side where they do not depend on each other"
    )


class KDBudgetConfig(Section):
    """KD-Budget, a control: TraditionalKD, trained for as long as HPM-KD takes in total."""

    students: PositiveInt = Field(
        5, description="number of students that share the cost of HPM-KD's teachers and search"
    )


class AdaptiveConfig(Section):
    """The search of students' settings on validation images: successive halving, once per data set and pair."""

    lr_factors: Annotated[list[Positive], Field(min_length=1)] = Field(
        [1.0, 2.0, 4.0, 8.0],
        description="learning rates to try, as multiples of fit.lr; of each list the first value is that of the "
        "first candidate",
    )
    temperatures: Annotated[list[Positive], Field(min_length=1)] | None = Field(
        None, description="values of T to try; default: kd.temperature alone"
    )
    alphas: Annotated[list[Fraction], Field(min_length=1)] | None = Field(
        None, description="values of alpha to try; default: kd.alpha alone"
    )
    metric: Literal["likelihood", "accuracy"] = Field(
        "likelihood",
        description="what is compared on validation images: the labels' likelihood, calibrated, or accuracy",
    )
    one_standard_error: bool = Field(
        False, description="the first candidate unless another is better by a standard error of their difference"
    )
    reduction_factor: Annotated[int, Field(ge=2)] = Field(4, description="keep 1 of this many candidates per rung")
    part: Annotated[float, Field(gt=0, le=1)] = Field(
        0.5, description="fraction of the student's epochs that candidates of the last rung train for"
    )

    @field_validator("lr_factors", "temperatures", "alphas")
    @classmethod
    def _each_once(cls, value: list[float] | None) -> list[float] | None:
        return value if value is None else each_different(value)
