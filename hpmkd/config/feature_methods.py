"""The settings of methods that compare feature maps or embeddings: one section of the config each.

Defaults are the authors' for CIFAR-100, or those of RepDistiller (Tian et al. 2020) where they gave none, but where a
docstring says otherwise;
`docs/pages/methods.md` says where paper and code differ.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from hpmkd.config.fields import Fraction, NonNegative, Positive, PositiveInt, Section


class FitNetsConfig(Section):
    """Romero et al. 2015.

    beta is 10 and not 100, as often seen with schedules of hundreds of epochs: LeNet5 pair, 10,000 CIFAR-10 images, 30
    epochs (`original_cpu`, run 1), accuracy on validation images with beta 100, 10, 1: 55.8, 59.7, 59.4; Direct 59.6.
    """

    beta: NonNegative = Field(10.0, description="weight of the hint loss")
    schedule: Literal["joint", "two_stage"] = Field(
        "joint", description="joint: hint loss and KD together; two_stage: hint loss first, then KD, as in the paper"
    )
    hint_part: Annotated[float, Field(gt=0, lt=1)] = Field(
        0.3, description="two_stage: fraction of the training with the hint loss alone"
    )


class ATConfig(Section):
    """Zagoruyko and Komodakis 2017.

    beta is 100 and not the authors' 1000. Mean accuracy of five runs on validation images with 1000 and 100: LeNet5
    pair on CIFAR-10 (`original_cpu`) 60.4 and 60.5; ResNet8 to LeNet5 on CIFAR-10 (`strong_cpu`) 53.4 and 56.1, on
    MNIST (`strong_mnist`) 96.8 and 97.3. With 1000 the term is three times the distillation term in `strong_cpu`.
    """

    beta: NonNegative = Field(100.0, description="weight of the attention-map loss")
    p: Positive = Field(2.0, description="power in the attention map, mean over channels of |F|^p")


class SPConfig(Section):
    """Tung and Mori 2019, Similarity-Preserving Knowledge Distillation."""

    beta: NonNegative = Field(3000.0, description="weight of the term")


class RKDConfig(Section):
    """Park et al. 2019, Relational Knowledge Distillation."""

    distance: NonNegative = Field(25.0, description="weight of the distances between two images")
    angle: NonNegative = Field(50.0, description="weight of the angles between three images")


class CCConfig(Section):
    """Peng et al. 2019, Correlation Congruence for Knowledge Distillation."""

    form: Literal["kernel", "neighbours"] = Field(
        "kernel", description="kernel: correlations of all pairs of images, as in the paper; neighbours: as in "
        "RepDistiller's code, which is the authors'"
    )  # fmt: skip
    beta: NonNegative = Field(100.0, description="weight of the term; 0.02 in RepDistiller, whose form is neighbours")
    gamma: Positive = Field(0.4, description="kernel: width of the Gaussian, exp(-gamma |x - y|^2)")
    order: PositiveInt = Field(2, description="kernel: order of its Taylor series")


class VIDConfig(Section):
    """Ahn et al. 2019, Variational Information Distillation."""

    beta: NonNegative = Field(1.0, description="weight of the term")
    variance: Positive = Field(5.0, description="variance of each channel at the start")


class PKTConfig(Section):
    """Passalis and Tefas 2018, Learning Deep Representations with Probabilistic Knowledge Transfer."""

    beta: NonNegative = Field(30000.0, description="weight of the term")
    diagonal: bool = Field(False, description="as in the authors' code: each image is also its own neighbour")


class NSTConfig(Section):
    """Huang and Wang 2017, Like What You Like: Neuron Selectivity Transfer; polynomial kernel."""

    beta: NonNegative = Field(25.0, description="weight of the term, lambda / 2 with lambda = 50; RepDistiller has 50")


class OFDConfig(Section):
    """Heo et al. 2019, A Comprehensive Overhaul of Feature Distillation."""

    beta: NonNegative = Field(1e-3, description="weight of the term")


class CRDConfig(Section):
    """Tian et al. 2020, Contrastive Representation Distillation."""

    beta: NonNegative = Field(0.8, description="weight of the term")
    negatives: PositiveInt = Field(16384, description="images of other classes that each image is compared with")
    dimensions: PositiveInt = Field(128, description="dimensions in which they are compared")
    temperature: Positive = Field(0.07, description="temperature of the similarities")
    momentum: Fraction = Field(0.5, description="weight of the old entry in the memory bank")


class SimKDConfig(Section):
    """Chen et al. 2022, Knowledge Distillation with the Reused Teacher Classifier."""

    beta: NonNegative = Field(1.0, description="weight of the loss: it is the only term")
    reduction: PositiveInt = Field(
        2, description="how many times narrower than the teacher the projector is inside; more: fewer parameters"
    )


class ReviewKDConfig(Section):
    """Chen et al. 2021, Distilling Knowledge via Knowledge Review. The authors take 0.6 to 8, by pair."""

    beta: NonNegative = Field(1.0, description="weight of the term")
    warmup: Fraction = Field(
        20 / 240, description="fraction of the training in which the term grows from 0 to its size"
    )
    channels: Annotated[int, Field(ge=1)] = Field(512, description="most channels in which stages are fused")
