"""What is kept of a network's answers is what was judged, whatever the logits are."""

from __future__ import annotations

import math

import pytest
import torch
from support.builders import STUDENT, TEACHER, make_splits
from torch import Tensor, nn
from torch.nn import functional as F

from hpmkd.data.augment import Normalise
from hpmkd.data.source.images import Images
from hpmkd.models import ModelOutput, build
from hpmkd.training.evaluate import answer, evaluate, to_predictions


class Fixed(nn.Module):
    """Gives the logits that it was made with, image by image."""

    def __init__(self, logits: Tensor) -> None:
        super().__init__()
        self.logits, self.place = logits, 0

    def forward(self, images: Tensor) -> ModelOutput:
        self.place += len(images)
        return ModelOutput(self.logits[self.place - len(images) : self.place])


def images_of(labels: list[int]) -> tuple[Images, Normalise]:
    count = len(labels)
    images = Images(torch.zeros(count, 4, 4, 1, dtype=torch.uint8), torch.tensor(labels))
    return images, Normalise(torch.zeros(1), torch.ones(1), torch.device("cpu"))


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("spec", [TEACHER, STUDENT])
def test_the_accuracy_is_that_of_an_evaluation(spec: object, precision: str) -> None:
    splits = make_splits()
    model = build(spec, 3).train()  # type: ignore[arg-type]
    normalise = Normalise(splits.mean, splits.std, torch.device("cpu"))
    found = answer(model, splits.test, normalise, precision)
    assert found.accuracy_pct == evaluate(model, splits.test, normalise, precision)
    assert to_predictions(found, None).accuracy_pct == found.accuracy_pct
    assert model.training
    assert not found.logits.requires_grad


def test_halves_are_near_the_real_probabilities() -> None:
    """Logits of large values: as they are, fp16 would be wrong by percents."""
    logits = 300 + 5 * torch.randn(1000, 10, generator=torch.Generator().manual_seed(0))
    images, normalise = images_of([0] * 1000)
    found = answer(Fixed(logits), images, normalise)
    real = F.log_softmax(logits.double(), 1)
    assert (F.log_softmax(found.logits.double(), 1) - real).abs().max() < 0.02
    assert (F.softmax(found.logits.double(), 1) - real.exp()).abs().max() < 5e-4
    naive = F.softmax(logits.half().double(), 1)
    assert (naive - real.exp()).abs().max() > 0.02


def test_ties_in_halves_are_none_in_what_was_predicted() -> None:
    """Class 1 wins by a hair that fp16 does not see; class 0 is the first of two that are the same."""
    logits = torch.tensor([[1.0, 1.0 + 1e-6, 0.0], [2.0, 2.0, 0.0]])
    images, normalise = images_of([1, 0])
    found = answer(Fixed(logits), images, normalise)
    assert found.predicted.tolist() == [1, 0]
    assert found.accuracy_pct == 100.0
    assert (found.logits.max(1).values == 0).all()


def test_what_halves_cannot_hold_stays_finite() -> None:
    rows = [[1e6, 0.0, -1e6], [math.inf, 0.0, -math.inf], [math.nan, 1.0, 0.0], [math.nan] * 3, [3e38, -3e38, 0.0]]
    images, normalise = images_of([0] * len(rows))
    found = answer(Fixed(torch.tensor(rows)), images, normalise)
    assert torch.isfinite(found.logits).all()
    assert (found.logits.max(1).values == 0).all()
    assert found.logits[0].tolist() == [0.0, -65504.0, -65504.0]
    assert found.logits[3].tolist() == [0.0, 0.0, 0.0]
    assert torch.equal(found.predicted, torch.tensor(rows).argmax(1))


def test_the_temperature_is_fitted_on_validation_images() -> None:
    generator = torch.Generator().manual_seed(0)
    logits = 4 * torch.randn(4000, 5, generator=generator)
    labels = torch.distributions.Categorical(logits=logits / 2)
    torch.manual_seed(0)
    drawn = [int(one) for one in labels.sample()]
    images, normalise = images_of(drawn)
    validation = answer(Fixed(logits), images, normalise)
    test = answer(Fixed(torch.randn(7, 5)), *images_of([0] * 7))
    made = to_predictions(test, validation)
    assert made.temperature == pytest.approx(2.0, rel=0.05)
    assert len(made) == 7
    assert to_predictions(test, None).temperature is None
