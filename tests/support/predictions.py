"""Answers to test images that no network gave, for outputs that were never trained."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from hpmkd.audit.findings import headers
from hpmkd.store import predictions
from hpmkd.store.output_dir import OutputDir
from hpmkd.store.predictions import Predictions


def made_up(
    seed: int, images: int = 200, classes: int = 10, temperature: float | None = 2.0, skill: float = 3.0
) -> Predictions:
    """Answers that are often right, with labels that are the same for all seeds."""
    labels = np.random.default_rng(0).integers(0, classes, images)
    logits = np.random.default_rng(seed).normal(0, 2, (images, classes))
    logits[np.arange(images), labels] += skill
    logits = (logits - logits.max(1, keepdims=True)).astype(np.float16)
    return Predictions(labels, logits.argmax(1), logits, temperature, "data")


def put(output: OutputDir, key: str, made: Predictions) -> None:
    """Keeps them as those of a model that is there."""
    predictions.write(output.predictions_file(key), made, key, str(headers(output)[key].weights))


def put_all(output: OutputDir, make: Callable[[int, str], Predictions]) -> None:
    """Keeps some for every model, given its number and key."""
    for number, (key, header) in enumerate(headers(output).items()):
        if header.metadata["role"] in ("teacher", "assistant", "student"):
            predictions.write(output.predictions_file(key), make(number, key), key, str(header.weights))
