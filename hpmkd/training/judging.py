"""How good a network is on validation images, image by image: what searches and tunings compare."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from hpmkd.training.calibration import fit_temperature
from hpmkd.training.evaluate import Answers, answer
from hpmkd.training.train import Training

Losses = npt.NDArray[np.float64]
# Of logits that no temperature fits best: all are right, so the higher 1/T the better, or they say no more than chance.
_EXTREMES = (1e-3, 1e3)


def judged(training: Training, metric: str) -> tuple[Losses, float]:
    """The loss of each validation image, the smaller the better, and the accuracy, in percent.

    Args:
        training: between two epochs.
        metric: `likelihood`: see `likelihoods`; `accuracy`: 100 where the answer is wrong, so that the mean is errors
            in percent.
    """
    found = answer(training.model, training.validation, training.normalise, training.fit.precision)
    wrong = (found.predicted != found.labels).cpu().numpy()
    return likelihoods(found) if metric == "likelihood" else 100.0 * wrong, found.accuracy_pct


def likelihoods(found: Answers) -> Losses:
    """-log p of each label, nats, at the temperature for which their mean is least: students of one T and another, and
    of much weight on soft targets and little, are more or less sure of what they say, and that is not compared."""
    logits, labels = found.logits.cpu().numpy().astype(np.float64), found.labels.cpu().numpy()
    best = fit_temperature(logits, labels)
    tried = [_losses(logits, labels, inverse) for inverse in ([1 / best] if best else _EXTREMES)]
    return min(tried, key=lambda one: float(one.mean()))


def _losses(logits: npt.NDArray[Any], labels: npt.NDArray[np.integer], inverse: float) -> Losses:
    z = inverse * logits
    z = z - z.max(1, keepdims=True)
    found: Losses = np.log(np.exp(z).sum(1)) - z[np.arange(len(z)), labels]
    return found


def standard_error(losses: Losses) -> float:
    """Of their mean, over the images; 0 of a single one."""
    return float(losses.std(ddof=1) / math.sqrt(len(losses))) if len(losses) > 1 else 0.0
