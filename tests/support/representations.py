"""Representations that no network gave, for outputs that were never trained."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from hpmkd.audit.findings import headers
from hpmkd.audit.represented import wanted
from hpmkd.store import representation_file
from hpmkd.store.output_dir import OutputDir
from hpmkd.store.representation_file import Comparison, Representation, Scatter

LAYERS = ("map 1", "embedding", "logits")


def put_all(
    output: OutputDir, similarity: Callable[[str, str], float], silhouette: Callable[[str], float] = lambda key: 0.4
) -> None:
    """Keeps some for every network: CKA of equal layers by key and other's key, all other pairs half of it."""
    for number, (key, one) in enumerate(wanted(headers(output)).items()):
        random = np.random.default_rng(number)
        scatter = Scatter(random.normal(size=(40, 2)), np.arange(40) % 10, 0.9) if one.is_mapped else None
        others = {}
        for other, weights in one.others.items():
            value = similarity(key, other)
            others[other] = Comparison(weights, LAYERS, np.full((3, 3), value / 2) + np.eye(3) * value / 2)
        made = Representation(
            one.weights,
            LAYERS,
            silhouette=silhouette(key),
            knn_pct=90.0,
            probe_pct=91.0,
            probe_c=1.0,
            images={"compared": 40, "bank": 100, "validation": 20, "test": 40},
            others=others,
            scatter=scatter,
        )
        representation_file.write(output.representation_file(key), made)
