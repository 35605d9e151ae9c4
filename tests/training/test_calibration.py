"""The fitted temperature against a general optimiser, and where there is none."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

from hpmkd.training.calibration import fit_temperature


def draw(seed: int, images: int, classes: int, true: float) -> tuple[np.ndarray, np.ndarray]:
    """Logits, and labels drawn from softmax(logits / true): `true` is the temperature that fits."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 3, (images, classes))
    noise = rng.gumbel(size=logits.shape)
    return logits, (logits / true + noise).argmax(1)


def loss(logits: np.ndarray, labels: np.ndarray, temperature: float) -> float:
    return float(-log_softmax(logits / temperature, axis=1)[np.arange(len(labels)), labels].mean())


@given(st.integers(0, 10_000), st.integers(2, 12), st.sampled_from([0.3, 1.0, 2.5, 6.0]))
def test_it_is_the_one_with_the_least_loss(seed: int, classes: int, true: float) -> None:
    logits, labels = draw(seed, 300, classes, true)
    found = fit_temperature(logits, labels)
    other = minimize_scalar(lambda b: loss(logits, labels, 1 / b), bounds=(1e-3, 1e3), method="bounded").x
    if found is None:  # the sample says no more than chance, or is separated: the bound itself is best
        assert other < 2e-3 or other > 500 or loss(logits, labels, 1 / other) >= loss(logits, labels, 1e3) - 1e-6
    else:
        assert loss(logits, labels, found) <= loss(logits, labels, 1 / other) + 1e-9


@pytest.mark.parametrize("true", [0.5, 1.0, 3.0])
def test_a_planted_temperature_is_found(true: float) -> None:
    logits, labels = draw(1, 50_000, 10, true)
    assert fit_temperature(logits, labels) == pytest.approx(true, rel=0.03)


def test_rows_may_be_shifted_and_images_permuted() -> None:
    logits, labels = draw(2, 500, 5, 2.0)
    order = np.random.default_rng(0).permutation(500)
    shift = np.random.default_rng(1).normal(0, 100, (500, 1))
    found = fit_temperature(logits, labels)
    assert fit_temperature((logits + shift)[order], labels[order]) == pytest.approx(found, rel=1e-6)


@pytest.mark.parametrize("scale", [0.01, 1.0, 100.0])
def test_logits_of_any_scale(scale: float) -> None:
    logits, labels = draw(3, 500, 5, 2.0)
    found = fit_temperature(logits * scale, labels)
    reference = fit_temperature(logits, labels)
    assert found is not None
    assert reference is not None
    assert found == pytest.approx(reference * scale, rel=1e-6)


def test_without_an_optimum_there_is_none() -> None:
    logits, _ = draw(4, 100, 4, 1.0)
    assert fit_temperature(logits, logits.argmax(1)) is None, "all right: the smaller, the better"
    assert fit_temperature(logits, logits.argmin(1)) is None, "all wrong: the larger, the better"
    assert fit_temperature(np.zeros((10, 4)), np.arange(10) % 4) is None, "says nothing: all are alike"


def test_halves_with_extreme_values() -> None:
    logits, labels = draw(5, 200, 4, 2.0)
    half = np.clip(logits - logits.max(1, keepdims=True), -65504, 0).astype(np.float16)
    half[0] = [0, -65504, -65504, -65504]
    labels[0] = 1
    found = fit_temperature(half, labels)
    assert found is None or np.isfinite(found)
