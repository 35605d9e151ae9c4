"""Silhouette, neighbours, probe and map: against scikit-learn called directly, and cases that are known."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.manifold import TSNE, trustworthiness
from sklearn.metrics import pairwise_distances, silhouette_samples
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from hpmkd.training import embedding
from hpmkd.training.embedding import Labelled

pytestmark = pytest.mark.usefixtures("one_thread")
CENTRES = np.random.default_rng(0).normal(size=(4, 12))


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Several would wait for one another where other tests run."""
    with threadpool_limits(1):
        yield


def draw(seed: int, images: int, spread: float = 0.8) -> Labelled:
    random = np.random.default_rng(seed)
    labels = random.integers(0, 4, images)
    return (CENTRES[labels] + spread * random.normal(size=(images, 12))).astype(np.float32), labels


BANK, VALIDATION, TEST = draw(1, 300), draw(2, 200), draw(3, 250)


def test_silhouette() -> None:
    x, y = TEST
    assert embedding.silhouette(x, y) == pytest.approx(silhouette_samples(x, y, metric="cosine").mean())
    distances, found = pairwise_distances(x, metric="cosine"), []
    for i in range(len(x)):
        means = [distances[i, (y == c) & (np.arange(len(x)) != i)].mean() for c in range(4)]
        a, b = means[y[i]], min(value for c, value in enumerate(means) if c != y[i])
        found.append((b - a) / max(a, b))
    assert embedding.silhouette(x, y) == pytest.approx(np.mean(found), abs=1e-5)
    assert math.isnan(embedding.silhouette(x, np.zeros_like(y)))
    assert math.isnan(embedding.silhouette(x[:4], np.arange(4)))


def test_neighbours() -> None:
    direct = KNeighborsClassifier(10, metric="cosine", algorithm="brute").fit(*BANK).score(*TEST)
    assert embedding.neighbours_pct(BANK, TEST) == pytest.approx(100 * direct)
    assert 50 < 100 * direct < 100
    few = (BANK[0][:3], BANK[1][:3])
    assert 0 <= embedding.neighbours_pct(few, TEST) <= 100


def test_probe() -> None:
    scale = StandardScaler().fit(BANK[0])
    by_strength = {}
    for strength in embedding.STRENGTHS:
        model = LogisticRegression(C=strength, max_iter=300).fit(scale.transform(BANK[0]), BANK[1])
        by_strength[strength] = [model.score(scale.transform(x), y) for x, y in (VALIDATION, TEST)]
    best = max(value for value, _ in by_strength.values())
    chosen = next(strength for strength in embedding.STRENGTHS if by_strength[strength][0] == best)
    assert embedding.probe(BANK, VALIDATION, TEST) == (pytest.approx(100 * by_strength[chosen][1]), chosen)
    assert len({tuple(one) for one in by_strength.values()}) > 1, "there is something to choose"


def test_test_images_choose_nothing() -> None:
    """With their labels turned round, the strength is the same."""
    wrong = (TEST[0], (TEST[1] + 1) % 4)
    right, turned = (embedding.probe(BANK, VALIDATION, one) for one in (TEST, wrong))
    assert turned[1] == right[1]
    assert turned[0] < 25 < right[0]


def test_a_bank_of_one_class_teaches_nothing() -> None:
    assert all(map(math.isnan, embedding.probe((BANK[0], np.zeros_like(BANK[1])), VALIDATION, TEST)))


def test_map() -> None:
    x, y = draw(4, 60, 0.2)
    made = embedding.scatter(x, y)
    direct = TSNE(init="pca", random_state=0, metric="cosine", perplexity=59 / 3).fit_transform(x)
    np.testing.assert_allclose(made.points, direct, rtol=1e-4, atol=1e-3)
    assert made.trustworthiness == pytest.approx(trustworthiness(x, direct, n_neighbors=5, metric="cosine"), abs=1e-3)
    assert made.trustworthiness > 0.9
    np.testing.assert_array_equal(embedding.scatter(x, y).points, made.points)


def test_what_cannot_be_drawn() -> None:
    """Too few images, and a network that gives the same for all: of these scikit-learn's t-SNE ends the process."""
    x, y = draw(4, 60, 0.2)
    for rows, labels in ((x[:5], y[:5]), (np.ones_like(x), y), (x[:, :1], y)):
        made = embedding.scatter(rows, labels)
        assert math.isnan(made.trustworthiness)
        assert made.points.shape == (len(labels), 2)
