"""The settings of methods without a large teacher: one section of the config each."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from hpmkd.config.fields import Fraction, NonNegative, Positive, Section


class DMLConfig(Section):
    """Zhang et al. 2018, Deep Mutual Learning, with two networks."""

    weight: NonNegative = Field(1.0, description="weight of what the networks learn from one another")


class BANConfig(Section):
    """Furlanello et al. 2018, Born-Again Neural Networks."""

    generations: Annotated[int, Field(ge=1, le=20)] = Field(
        3, description="number of networks of the student's architecture before it, each taught by the one before; the "
        "first learns from labels"
    )  # fmt: skip
    labels: Fraction = Field(0.0, description="weight of the loss on the labels; the rest is that of distillation")
    temperature: Positive = Field(1.0, description="temperature")
