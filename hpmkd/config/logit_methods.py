"""The settings of methods that compare logits: one section of the config each.

Defaults are the authors' for CIFAR-100; `docs/pages/methods.md` says where paper and code differ.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from hpmkd.config.fields import Fraction, NonNegative, Positive, Section

# Of 240 epochs 20: how long DKD and RLD take to bring in their term.
_WARMUP = 20 / 240


class LSConfig(Section):
    """Sun et al. 2024, Logit Standardization in Knowledge Distillation: any baseline that compares logits can have it
    (the word `LS`)."""

    temperature: Positive = Field(2.0, description="with LS: temperature of standardised logits")
    weight: NonNegative = Field(
        9.0, description="with LS: weight of the distillation term: of KD in place of alpha, of others times their own"
    )


class DKDConfig(Section):
    """Zhao et al. 2022, Decoupled Knowledge Distillation. The authors take beta = 2 to 8, by pair."""

    temperature: Positive = Field(4.0, description="temperature")
    alpha: NonNegative = Field(1.0, description="weight of the target class against all others (TCKD)")
    beta: NonNegative = Field(8.0, description="weight of the other classes among themselves (NCKD)")
    warmup: Fraction = Field(_WARMUP, description="fraction of the training in which the term grows from 0 to its size")


class DISTConfig(Section):
    """Huang et al. 2022, Knowledge Distillation from A Stronger Teacher."""

    temperature: Positive = Field(4.0, description="temperature")
    beta: NonNegative = Field(2.0, description="weight of the correlation over classes, image by image (inter)")
    gamma: NonNegative = Field(2.0, description="weight of the correlation over images, class by class (intra)")


class MLKDConfig(Section):
    """Jin et al. 2023, Multi-Level Logit Distillation."""

    temperatures: Annotated[list[Positive], Field(min_length=1)] = Field(
        [2.0, 3.0, 4.0, 5.0, 6.0], description="temperatures over which each level is summed"
    )
    labels: NonNegative = Field(0.1, description="weight of the loss on the labels")
    weight: NonNegative = Field(0.9, description="weight of the distillation terms")
    masked: bool = Field(
        False, description="as in the authors' code: scale each level by the fraction of less certain images or classes"
    )


class NKDConfig(Section):
    """Yang et al. 2023, From Knowledge Distillation to Self-Knowledge Distillation."""

    temperature: Positive = Field(3.0, description="temperature of the other classes; the true class has 1")
    gamma: NonNegative = Field(3.5, description="weight of the other classes")


class CTKDConfig(Section):
    """Li et al. 2023, Curriculum Temperature for Knowledge Distillation, with one temperature for all images."""

    start: Positive = Field(1.0, description="lowest temperature: T = start + span sigmoid(theta)")
    span: Positive = Field(20.0, description="how far the temperature can be above it")
    ramp: Fraction = Field(
        10 / 240, description="fraction of the training in which the reversed gradient grows from 0 to its size"
    )


class WTTMConfig(Section):
    """Zheng and Yang 2024, Knowledge Distillation Based on Transformed Teacher Matching."""

    gamma: Annotated[float, Field(gt=0, le=1)] = Field(
        0.2, description="power of the teacher's probabilities, one over a temperature of the teacher alone"
    )
    beta: NonNegative = Field(4.0, description="weight of the term")
    weighting: Literal["sample", "none"] = Field(
        "sample", description="sample: each image counts by how even the teacher's answer is; none: that is TTM"
    )


class RLDConfig(Section):
    """Sun et al. 2025, Knowledge Distillation with Refined Logits."""

    temperature: Positive = Field(
        4.0, description="temperature of the classes that the teacher ranks below the true one"
    )
    confidence_temperature: Positive = Field(4.0, description="temperature of the confidence in the class")
    alpha: NonNegative = Field(1.0, description="weight of the confidence (SCD)")
    beta: NonNegative = Field(8.0, description="weight of the masked classes (MCD)")
    warmup: Fraction = Field(_WARMUP, description="fraction of the training in which the term grows from 0 to its size")
