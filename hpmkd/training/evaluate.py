"""What a network answers to images, and how much of it is right."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from hpmkd.data.augment import Normalise, plain_batches
from hpmkd.data.source.images import Images
from hpmkd.store.predictions import LOWEST, Predictions
from hpmkd.training.calibration import fit_temperature
from hpmkd.training.device import autocast


@torch.no_grad()
def evaluate(model: nn.Module, images: Images, normalise: Normalise, precision: str = "fp32") -> float:
    """Accuracy in percent of `model` in eval mode; the model is left in the mode it was in."""
    correct = torch.zeros((), dtype=torch.int64, device=images.device)
    for logits, labels in _outputs(model, images, normalise, precision):
        correct += (logits.argmax(1) == labels).sum()
    return 100 * int(correct) / len(images)


def _outputs(model: nn.Module, images: Images, normalise: Normalise, precision: str) -> Iterator[tuple[Tensor, Tensor]]:
    """Logits and labels, batch by batch, to be consumed to the end without gradients."""
    was_training = model.training
    model.eval()
    with autocast(precision, images.device):
        for batch, labels in plain_batches(images, normalise):
            yield model(batch).logits, labels
    model.train(was_training)


@dataclass(frozen=True)
class Answers:
    """A network's answers to N images, where it computes.

    Args:
        labels, predicted: classes `(N,)`.
        logits: `(N, K)`, fp16, as `store.predictions` keeps them.
    """

    labels: Tensor
    predicted: Tensor
    logits: Tensor

    @property
    def accuracy_pct(self) -> float:
        """The same number as `evaluate`'s."""
        return 100 * int((self.predicted == self.labels).sum()) / len(self.labels)


@torch.no_grad()
def answer(model: nn.Module, images: Images, normalise: Normalise, precision: str = "fp32") -> Answers:
    """As `evaluate`, with each answer kept."""
    pairs = [(out.argmax(1), _compact(out)) for out, _ in _outputs(model, images, normalise, precision)]
    predicted, logits = (torch.cat(parts) for parts in zip(*pairs, strict=True))
    return Answers(images.labels, predicted, logits)


def _compact(logits_NK: Tensor) -> Tensor:
    """Each row less by its largest, as fp16. What is no number is 0: it says nothing for or against a class."""
    z = torch.nan_to_num(logits_NK.float())
    return (z - z.amax(1, keepdim=True)).clamp_(min=LOWEST).half()


def to_predictions(test: Answers, validation: Answers | None) -> Predictions:
    """What is kept of a network's only look at the test images; the temperature is fitted on validation images."""
    temperature = None
    if validation is not None:
        temperature = fit_temperature(validation.logits.cpu().numpy(), validation.labels.cpu().numpy())
    labels, predicted, logits = (part.cpu().numpy() for part in (test.labels, test.predicted, test.logits))
    return Predictions(labels, predicted, logits, temperature=temperature)
