"""Contrasts of a factorial: what components do alone and in pairs, at every level of the others that is there."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import pandas as pd

from hpmkd.analysis.experiments.arms import LEARNING, Group, Off, coincide


@dataclass(frozen=True)
class Contrast:
    """What one component does (its main effect), or two together (their interaction).

    Args:
        parts: the components.
        levels: what is off of the others -> the baselines there: with `parts` on, then each of them alone off, then
            both off. Those levels of which all are there.
    """

    parts: tuple[str, ...]
    levels: dict[Off, tuple[str, ...]]

    @property
    def all_levels(self) -> int:
        """How many there are in the whole factorial."""
        return int(2 ** (len(LEARNING) - len(self.parts)))

    def by_run(self, wide: pd.DataFrame) -> pd.Series:
        """Percentage points by run, averaged over the levels; NaN for a run that lacks an arm.

        One component: f1 - f0. Two: f11 - f10 - f01 + f00, with f10 for the first on, the second off.

        Args:
            wide: accuracies in percent, run x baseline.
        """
        signs = (1.0, -1.0) if len(self.parts) == 1 else (1.0, -1.0, -1.0, 1.0)
        total = pd.Series(0.0, index=wide.index)
        for labels in self.levels.values():
            for sign, label in zip(signs, labels, strict=True):
                total = total + sign * wide[label]
        return total / len(self.levels)

    def is_idle(self, group: Group) -> bool:
        """Whether one of the components changes no model at any of these levels, so that there is nothing to see."""
        sides: tuple[tuple[tuple[int, int], ...], ...] = ((0, 1), (2, 3)), ((0, 2), (1, 3))
        if len(self.parts) == 1:
            sides = (((0, 1),),)
        rows = self.levels.values()
        return any(all(coincide(group.part, row[a], row[b]) for row in rows for a, b in pairs) for pairs in sides)

    def means(self, wide: pd.DataFrame) -> dict[str, float]:
        """Mean accuracy in percent over the runs with all arms and over the levels, by which components are on: `f1`,
        `f0`; `f11`, `f01`, `f10`, `f00`."""
        runs = self.by_run(wide).dropna().index
        corners = zip(*self.levels.values(), strict=True)
        names = ("f1", "f0") if len(self.parts) == 1 else ("f11", "f01", "f10", "f00")
        means = [wide.loc[runs, list(labels)].mean().mean() for labels in corners]
        return dict(zip(names, means, strict=True))


def contrasts(group: Group, count: int) -> Iterator[Contrast]:
    """The main effects (`count` 1) or interactions (2) for which at least one level has all its arms."""
    cells = group.family.cells
    for parts in itertools.combinations(LEARNING, count):
        levels = {}
        for level in _subsets([name for name in LEARNING if name not in parts]):
            arms = [level | off for off in _subsets(parts)]
            if all(arm in cells for arm in arms):
                levels[level] = tuple(cells[arm] for arm in arms)
        if levels:
            yield Contrast(parts, levels)


def _subsets(names: tuple[str, ...] | list[str]) -> list[Off]:
    """Of none, of one, and so on, in the order of the names."""
    return [frozenset(some) for size in range(len(names) + 1) for some in itertools.combinations(names, size)]
