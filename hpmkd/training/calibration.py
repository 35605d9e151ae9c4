"""The temperature that makes a network's probabilities fit: Guo et al. 2017, section 4.2."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

_RANGE = (1e-3, 1e3)  # of 1/T; outside nobody can tell it from none
_STEPS = 100
_CLOSE = 1e-10


def fit_temperature(logits_NK: npt.NDArray[Any], labels_N: npt.NDArray[np.integer]) -> float | None:
    """The T > 0 for which softmax(z / T) has the least negative log-likelihood (Guo et al. 2017, equation 9).

    With b = 1/T the loss is convex, and its derivative is the mean of E_p[z] - z_y for p = softmax(b z). Its root is
    found by Newton's method, kept between bounds that close in on it.

    Args:
        logits_NK: of validation images; each row may be shifted.
        labels_N: their classes.

    Returns:
        T; None where no T is best: all images are right, so that any smaller T fits better still, or the logits say no
        more than chance, so that any larger one does.
    """
    z = logits_NK.astype(np.float64)
    z = z - z.max(1, keepdims=True)
    target = float(z[np.arange(len(z)), labels_N].mean())
    low, high = _RANGE
    if _slope(z, low)[0] - target >= 0 or _slope(z, high)[0] - target <= _CLOSE:
        return None
    inverse = 1.0
    for _ in range(_STEPS):
        expected, variance = _slope(z, inverse)
        excess = expected - target
        low, high = (low, inverse) if excess > 0 else (inverse, high)
        step = inverse - excess / variance if variance > 0 else low
        following = step if low < step < high else (low * high) ** 0.5
        if abs(following - inverse) <= _CLOSE * inverse:
            break
        inverse = following
    return 1 / inverse


def _slope(z_NK: npt.NDArray[np.float64], inverse: float) -> tuple[float, float]:
    """Means over the images of E_p[z] and Var_p[z], with p = softmax(inverse * z)."""
    p = np.exp(inverse * z_NK)
    p /= p.sum(1, keepdims=True)
    mean = (p * z_NK).sum(1)
    variance = (p * z_NK**2).sum(1) - mean**2
    return float(mean.mean()), float(variance.mean())
