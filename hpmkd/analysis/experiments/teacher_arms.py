"""Methods with several numbers of teachers: HPM-KD by its weighting, the plain ensemble, the budget control."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import pandas as pd

from hpmkd.audit.grids import grids_of, root_of
from hpmkd.config.sweep import SweepConfig
from hpmkd.config.words import SWITCHES
from hpmkd.plan.ablations import NAME as HPM_KD

_TEACHERS = "hpmkd.teachers"
BUDGET = "KD-Budget"
_REFERENCES = ("TraditionalKD", "Direct")


@dataclass(frozen=True)
class Arms:
    """The methods of one place whose names say a number of teachers.

    Args:
        place: its name.
        labels: method without the number -> M -> baseline, the fewest first; those that are trained.
        part: all students of the place.
        wide: their test accuracies in percent, run x baseline.
    """

    place: str
    labels: dict[str, dict[int, str]]
    part: pd.DataFrame
    wide: pd.DataFrame

    def questions(self) -> list[tuple[str, str]]:
        """Pairs of methods to compare at each M: HPM-KD's weightings with one another, each with the others."""
        rich = [name for name in self.labels if root_of(name) == HPM_KD]
        return [*itertools.combinations(rich, 2), *itertools.product(rich, [n for n in self.labels if n not in rich])]

    def reference(self) -> tuple[str, pd.Series]:
        """What all are drawn against: plain distillation, else no teacher, else the first method's fewest teachers."""
        name = next((one for one in _REFERENCES if one in self.wide), None)
        first = next(iter(self.labels.values()))
        label = name or first[min(first)]
        return label, self.wide[label]


def _unweighted(name: str) -> str:
    root = root_of(name)
    words = name.removeprefix(root).split("-")[1:]
    return "-".join([root, *(word for word in words if SWITCHES.get(word, ("",))[0] != "hpmkd.weighting")])


def arms_in(place: str, part: pd.DataFrame, config: SweepConfig | None) -> Arms | None:
    """The methods in a place; None where no method has two numbers of teachers.

    Args:
        place: its name.
        part: its students.
        config: the sweep's.
    """
    wide = part.pivot_table(index="run", columns="baseline", values="accuracy_pct", aggfunc="mean")
    labels: dict[str, dict[int, str]] = {}
    for grid in grids_of(config, (_TEACHERS,)):
        if _TEACHERS in grid.varied:
            trained = {int(values[0]): label for values, label in grid.cells.items() if label in wide}
            if trained:
                labels[grid.name] = dict(sorted(trained.items()))
    for name, own in labels.items():
        alone = labels.get(_unweighted(name), {}).get(1)
        if alone is not None and 1 not in own:  # one teacher has all the weight, however several are weighted
            labels[name] = {1: alone, **own}
    if not any(len(one) > 1 for one in labels.values()):
        return None
    ordered = sorted(labels, key=lambda name: (root_of(name) != HPM_KD, root_of(name) == BUDGET))
    return Arms(place, {name: labels[name] for name in ordered}, part, wide)
