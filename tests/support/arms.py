"""Frames of HPM-KD's arms with effects that are known."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping

import numpy as np

from hpmkd.analysis.experiments.arms import LEARNING

WORDS = {"chain": "noChain", "multi_teacher": "noMultiTeacher", "meta_temperature": "noMetaTemp",
         "adaptive": "noAdaptive"}  # fmt: skip
FULL = "HPM-KD"
SINGLE = [f"{FULL}-{word}" for word in WORDS.values()]
ALL_OFF = "-".join([FULL, *WORDS.values()])


def label(off: Iterable[str]) -> str:
    """The canonical name of HPM-KD without some components."""
    return "-".join([FULL, *(WORDS[name] for name in LEARNING if name in set(off))])


def factorial(
    main: Mapping[str, float],
    together: Mapping[tuple[str, str], float],
    runs: int = 5,
    noise: float = 0.0,
    seed: int = 0,
) -> dict[str, list[float]]:
    """Accuracies of all 16 arms: 80 %, plus the effect of each component that is on, plus that of each pair of which
    both are on, plus a lucky or unlucky run that all arms share, plus noise of each model."""
    draw = np.random.default_rng(seed)
    luck = draw.normal(0, 1, runs)
    made = {}
    for size in range(len(LEARNING) + 1):
        for off in itertools.combinations(LEARNING, size):
            on = set(LEARNING) - set(off)
            mean = 80 + sum(value for name, value in main.items() if name in on)
            mean += sum(value for pair, value in together.items() if on.issuperset(pair))
            made[label(off)] = list(mean + luck + draw.normal(0, noise, runs))
    return made
