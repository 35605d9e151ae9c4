"""CKA: against sums over images, the definition of Kornblith et al. 2019, and what it must not depend on."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from hpmkd.training.similarity import cka, u_centred


def draw(seed: int, images: int = 40, features: int = 7) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(images, features)) + 2


def of(one: np.ndarray, other: np.ndarray) -> float:
    return float(cka([u_centred(one @ one.T)], [u_centred(other @ other.T)])[0, 0])


def hsic_by_tuples(k: np.ndarray, l: np.ndarray) -> float:  # noqa: E741 - as in the paper
    """Song et al. 2012, equation 3: the mean over all ordered tuples of four different images."""
    n, total = len(k), 0.0
    for i, j, q, r in itertools.permutations(range(n), 4):
        total += k[i, j] * l[i, j] + k[i, j] * l[q, r] - 2 * k[i, j] * l[i, q]
    return total / (n * (n - 1) * (n - 2) * (n - 3))


def hsic_by_formula(k: np.ndarray, l: np.ndarray) -> float:  # noqa: E741
    """The same, equation 5."""
    n = len(k)
    k, l, one = k - np.diag(np.diag(k)), l - np.diag(np.diag(l)), np.ones(len(k))  # noqa: E741
    sums = np.trace(k @ l) + (one @ k @ one) * (one @ l @ one) / ((n - 1) * (n - 2)) - 2 / (n - 2) * one @ k @ l @ one
    return float(sums / (n * (n - 3)))


@pytest.mark.parametrize("images", [5, 7])
def test_it_is_made_of_the_unbiased_hsic(images: int) -> None:
    x, y = draw(1, images, 3), draw(2, images, 4)
    y[:, 0] += x[:, 0]
    k, l = x @ x.T, y @ y.T  # noqa: E741
    for hsic in (hsic_by_tuples, hsic_by_formula):
        assert of(x, y) == pytest.approx(hsic(k, l) / math.sqrt(hsic(k, k) * hsic(l, l)), rel=1e-9)


def test_of_many_images_it_is_the_definition() -> None:
    """|Y'X|^2 / (|X'X| |Y'Y|), centred; what bias is left goes with the number of images."""
    x = draw(3, 4000, 5)
    y = x @ np.random.default_rng(0).normal(size=(5, 6)) + 3 * draw(4, 4000, 6)
    a, b = x - x.mean(0), y - y.mean(0)
    plain = np.linalg.norm(b.T @ a) ** 2 / (np.linalg.norm(a.T @ a) * np.linalg.norm(b.T @ b))
    assert 0.05 < plain < 0.9
    assert of(x, y) == pytest.approx(plain, abs=0.003)


def test_rotation_scale_and_shift_change_nothing() -> None:
    x, y = draw(5), draw(6)
    y[:, :3] += x[:, :3]
    turn, _ = np.linalg.qr(np.random.default_rng(7).normal(size=(7, 7)))
    assert of(x, x) == pytest.approx(1)
    assert of(x, 3 * x @ turn - 5) == pytest.approx(1)
    assert of(-0.2 * x @ turn + 1, y) == pytest.approx(of(x, y))
    assert of(x * [1, 2, 3, 4, 5, 6, 7], y) != pytest.approx(of(x, y), abs=1e-3), "a map that is no rotation does"


def test_unrelated_layers_have_none_however_wide_they_are() -> None:
    """Where the plain estimate is near 1: more features than images."""
    found = [of(draw(2 * seed, 60, 500), draw(2 * seed + 1, 60, 500)) for seed in range(20)]
    assert abs(np.mean(found)) < 0.02
    assert max(map(abs, found)) < 0.1
    a, b = draw(0, 60, 500) - draw(0, 60, 500).mean(0), draw(1, 60, 500) - draw(1, 60, 500).mean(0)
    assert np.linalg.norm(b.T @ a) ** 2 / (np.linalg.norm(a.T @ a) * np.linalg.norm(b.T @ b)) > 0.8


def test_a_layer_that_is_the_same_for_all_images_has_none() -> None:
    assert math.isnan(of(np.zeros((10, 3)), draw(1, 10)))


def test_a_row_for_each_layer() -> None:
    layers = [u_centred(one @ one.T) for one in (draw(1), draw(2), draw(3))]
    assert cka(layers, layers[:2]).shape == (3, 2)
    np.testing.assert_allclose(cka(layers, layers).diagonal(), 1)
