"""What a condition comes to: images per class, wrong labels; for metadata, the dry run and the report. No torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from hpmkd.config.conditions import IMBALANCE, NOISE, read_word, sees_clean_teacher, word_among
from hpmkd.config.specs import DataSpec
from hpmkd.data.conditions.base import Part
from hpmkd.data.selection import chosen
from hpmkd.data.source.listing import count
from hpmkd.numeric import fixed


def realise(spec: DataSpec, found: tuple[Part, Part]) -> dict[str, Any]:
    """Of the images that are trained on and kept for validation, as plain values for JSON.

    Returns:
        `images_per_class`, `validation_per_class`: by true class; and under label noise `noise_rate`: what was asked
        for, `flipped`, `validation_flipped`: how many have another label than their class, `flipped_rate`: which share
        of the training images that is, `labelled_per_class`: training images by the label that they are given.
    """
    train, validation = found
    made: dict[str, Any] = {
        "images_per_class": np.bincount(train.true, minlength=spec.classes).tolist(),
        "validation_per_class": np.bincount(validation.true, minlength=spec.classes).tolist(),
    }
    noise = word_among(spec.condition, NOISE)
    if noise is not None:
        flipped, other = (int((part.true != part.given).sum()) for part in found)
        made |= {
            "noise_rate": float((read_word(noise) or ("", "nan"))[1] or "nan"),
            "flipped": flipped,
            "flipped_rate": flipped / len(train),
            "validation_flipped": other,
            "labelled_per_class": np.bincount(train.given, minlength=spec.classes).tolist(),
        }
    return made


def with_realised(spec: DataSpec, order: Path) -> DataSpec:
    """The spec with what its condition comes to, where there is one and its labels are known.

    Args:
        spec: of the data set.
        order: the file of its labels in the order of the split.
    """
    found = chosen(spec, order) if spec.condition is not None else None
    return spec if found is None else replace(spec, realised=realise(spec, found))


def sentence(spec: DataSpec) -> str:
    """`D@exp10: 1,233 training images, 450 to 45 of each class (130 for validation)`, with wrong labels; empty where
    the condition is neither imbalance nor noise, or what it comes to is not known."""
    facts = spec.realised
    noise = word_among(spec.condition, NOISE)
    if facts is None or (noise is None and word_among(spec.condition, IMBALANCE) is None):
        return ""
    numbers, kept = facts["images_per_class"], sum(facts["validation_per_class"])
    spread = f"{max(numbers):,} to {min(numbers):,}" if max(numbers) > min(numbers) else f"{max(numbers):,}"
    said = [f"{count(sum(numbers), 'training image')}, {spread} of each class ({kept:,} for validation)"]
    if noise is not None:
        said.append(_wrong(facts))
    if sees_clean_teacher(spec.condition):
        said.append("teachers and assistants are those without it")
    return f"{spec.label}: " + "; ".join(said)


def _wrong(facts: Mapping[str, Any]) -> str:
    share = fixed(100 * facts["flipped_rate"], 2)
    return (
        f"{facts['flipped']:,} have a wrong label ({share} % of all; asked for {100 * facts['noise_rate']:g} % of "
        f"those that can have one), and {facts['validation_flipped']:,} for validation"
    )
