"""How well an embedding separates the classes: silhouette, nearest neighbours, a linear probe, and a map of it.

All by scikit-learn, on embeddings `(N, D)` of a network that is left as it is.
"""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.manifold import TSNE, trustworthiness
from sklearn.metrics import silhouette_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler, normalize

from hpmkd.store.representation_file import Scatter

NEIGHBOURS = 10
# Inverse strengths of the probe's L2 penalty.
STRENGTHS = (0.001, 0.01, 0.1, 1.0, 10.0)
_STEPS = 300  # of L-BFGS
_PERPLEXITY, _TRUSTED = 30.0, 5
_FEWEST = 2 * _TRUSTED + 2  # images of a map
Floats = npt.NDArray[np.floating[Any]]
Classes = npt.NDArray[np.int64]
Labelled = tuple[Floats, Classes]


def silhouette(embedding_ND: Floats, labels_N: Classes) -> float:
    """Mean over the images of (b - a) / max(a, b), with a the mean cosine distance to the images of its own class and b
    that to the nearest other class (Rousseeuw 1987), in [-1, 1]; NaN with fewer than two classes, or of images that
    are alone in theirs."""
    classes = len(np.unique(labels_N))
    if not 2 <= classes < len(labels_N):
        return math.nan
    return float(silhouette_score(embedding_ND, labels_N, metric="cosine"))


def neighbours_pct(bank: Labelled, test: Labelled) -> float:
    """Percent of the test images whose class most of their `NEIGHBOURS` nearest images in the bank have.

    Nearest by cosine: distances of embeddings of length 1 have the same order, and take an eighth of the time.
    """
    found = KNeighborsClassifier(min(NEIGHBOURS, len(bank[1])), algorithm="brute")
    return 100 * float(found.fit(normalize(bank[0]), bank[1]).score(normalize(test[0]), test[1]))


def probe(bank: Labelled, validation: Labelled, test: Labelled) -> tuple[float, float]:
    """Percent of the test images that a linear probe gets right, and the strength that it was trained with.

    Multinomial logistic regression on standardised embeddings of the bank, once for each of `STRENGTHS`; that with the
    most right validation images is taken, of equals the most regularised, and it alone is shown the test images.
    """
    if len(np.unique(bank[1])) < 2:
        return math.nan, math.nan
    trained = [(strength, _fit(bank, strength)) for strength in STRENGTHS]
    strength, best = max(trained, key=lambda one: (one[1].score(*validation), -one[0]))
    return 100 * float(best.score(*test)), strength


def _fit(bank: Labelled, strength: float) -> Any:
    """scikit-learn's pipeline, fitted."""
    made = make_pipeline(StandardScaler(), LogisticRegression(C=strength, max_iter=_STEPS))
    with warnings.catch_warnings():
        # So late, steps change no prediction that counts; which strength is best, validation images say.
        warnings.simplefilter("ignore", ConvergenceWarning)
        return made.fit(*bank)


def scatter(embedding_ND: Floats, labels_N: Classes) -> Scatter:
    """t-SNE (van der Maaten and Hinton 2008) of cosine distances, from PCA and a fixed seed, and how far neighbours in
    the plane are neighbours in the embedding (Venna and Kaski 2001, of five each): 1 is all. An illustration only."""
    count, width = embedding_ND.shape
    # scikit-learn ends the whole process where all images have one embedding.
    if count < _FEWEST or width < 2 or not np.ptp(embedding_ND, axis=0).any():
        return Scatter(np.zeros((count, 2)), labels_N, math.nan)
    drawn = TSNE(init="pca", random_state=0, metric="cosine", perplexity=min(_PERPLEXITY, (count - 1) / 3))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of embeddings that are the same for all images
        points = drawn.fit_transform(embedding_ND.astype(np.float32))
    trust = float(trustworthiness(embedding_ND, points, n_neighbors=_TRUSTED, metric="cosine"))
    return Scatter(points.astype(np.float64), labels_N, trust)
