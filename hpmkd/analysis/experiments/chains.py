"""Chains of assistants of several lengths: HPM-KD's and TAKD's."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pandas as pd

from hpmkd.audit.grids import grids_of
from hpmkd.config.sweep import SweepConfig
from hpmkd.plan.roles import Role

# TAKD without an assistant is TraditionalKD.
PLAIN = {"TAKD": "TraditionalKD"}
_LENGTH, _SWITCH, _STEPS = "hpmkd.chain_length", "hpmkd.chain", "takd.steps"


@dataclass(frozen=True)
class Chain:
    """One method with chains of several lengths in one place.

    Args:
        place: its name.
        name: of the method without a length: `HPM-KD-noMultiTeacher`.
        labels: number of assistants -> baseline, the shortest first; those that are trained.
        part: all students of the place.
        wide: their test accuracies in percent, run x baseline.
    """

    place: str
    name: str
    labels: dict[int, str]
    part: pd.DataFrame
    wide: pd.DataFrame

    @property
    def lengths(self) -> list[int]:
        """From the shortest on."""
        return list(self.labels)

    def of(self, length: int) -> pd.Series:
        """Accuracy by run."""
        return self.wide[self.labels[length]]


def chains_in(place: str, part: pd.DataFrame, config: SweepConfig | None) -> Iterator[Chain]:
    """The methods of which students with chains of two lengths or more are there, and whose names say a length.

    Args:
        place: its name.
        part: its students.
        config: the sweep's.
    """
    wide = part.pivot_table(index="run", columns="baseline", values="accuracy_pct", aggfunc="mean")
    for grid in grids_of(config, (_LENGTH, _SWITCH, _STEPS)):
        if not {_LENGTH, _STEPS} & grid.varied:
            continue  # with and without: that is the ablation
        labels: dict[int, str] = {}
        for values, label in grid.cells.items():
            settings = dict(zip(grid.keys, values, strict=True))
            if label in wide:
                labels.setdefault(_length(settings, part[part["baseline"] == label]), label)
        plain = _plain(grid.name)
        if plain in wide and 0 not in labels:
            labels[0] = plain
        if len(labels) > 1:
            yield Chain(place, grid.name, dict(sorted(labels.items())), part=part, wide=wide)


def _plain(name: str) -> str:
    """The baseline without assistants of a method that always has one; words stay."""
    root, _, words = name.partition("-")
    return "-".join(filter(None, [PLAIN.get(root, ""), words])) if root in PLAIN else ""


def _length(settings: dict[str, Any], students: pd.DataFrame) -> int:
    """Where the config leaves it open, it is counted."""
    length = settings.get(_LENGTH, settings.get(_STEPS))
    return int(length) if length is not None else len(assistants_of(students.iloc[:1]))


def assistants_of(students: pd.DataFrame) -> set[str]:
    """Stems of the assistants that these students learnt from, directly or not."""
    stems = {name for text in students["ancestors"].dropna() for name in str(text).split()}
    return {stem for stem in stems if stem.startswith(f"{Role.ASSISTANT}_")}
