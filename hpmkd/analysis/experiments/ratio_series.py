"""Students of several sizes of one architecture, taught by one teacher."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from hpmkd.audit.chosen import unchosen
from hpmkd.audit.grids import places
from hpmkd.audit.places import AXES, groups, narrowed, teacher_pct, teachers_by_run
from hpmkd.audit.sweep_dir import Saved
from hpmkd.config.specs import ModelSpec
from hpmkd.plan.compression import compression, networks_of
from hpmkd.plan.job import place_name


@dataclass(frozen=True)
class Size:
    """The students of one size.

    Args:
        place: data set, condition and pair.
        networks: teacher's and student's.
        teacher_pct: test accuracy of the teacher, percent; NaN where it is not there. The mean, where each run has one.
        wide: theirs, run x baseline.
        own: run -> test accuracy of its own teacher; empty where all have one.
    """

    place: str
    networks: tuple[ModelSpec, ModelSpec]
    teacher_pct: float
    wide: pd.DataFrame
    own: pd.Series

    def taught_by(self, runs: pd.Index) -> float | np.ndarray:
        """Accuracy of the teacher, or of these runs' own ones."""
        return self.own.reindex(runs).to_numpy(dtype=float) if len(self.own) else self.teacher_pct

    @property
    def ratio(self) -> float:
        """How many times fewer parameters than the teacher."""
        return compression(*self.networks)[0]

    @property
    def multiply_add_ratio(self) -> float:
        """How many times fewer multiply-adds of a forward pass."""
        return compression(*self.networks)[1]


@dataclass(frozen=True)
class Series:
    """Students of several sizes on one data set under one condition, the largest first.

    `name` tells it from the other series of a sweep; `several`: there are some.
    """

    name: str
    sizes: tuple[Size, ...]

    @property
    def baselines(self) -> list[str]:
        """As they come."""
        return list(dict.fromkeys(str(name) for size in self.sizes for name in size.wide.columns))

    def differences(self, baseline: str, reference: str) -> dict[str, pd.Series]:
        """Place -> points by run, of the sizes that have both."""
        return {
            size.place: size.wide[baseline] - size.wide[reference]
            for size in self.sizes
            if baseline in size.wide and reference in size.wide
        }


def series_in(frame: pd.DataFrame, saved: Saved) -> list[Series]:
    """Those of a sweep whose plan is known, of two sizes or more; cells that only validation images compare are left
    out.

    Args:
        frame: of `results.collect`.
        saved: the sweep.
    """
    networks, shown = networks_of(saved.jobs), frame.drop(unchosen(frame, saved.config))
    rows = {names["place"]: part for names, part in groups(narrowed(frame, "role", "run", "accuracy_pct"))}
    found: dict[tuple[Any, ...], list[Size]] = {}
    for place, part in places(shown):
        if place in networks:
            wide = part.pivot_table(index="run", columns="baseline", values="accuracy_pct", aggfunc="mean", sort=False)
            teacher, student = networks[place]
            dataset, condition, _ = (part[axis].iloc[0] for axis in AXES)
            own = teachers_by_run(rows[place], place)
            size = Size(place, (teacher, student), teacher_pct(rows[place], place), wide, own=own)
            found.setdefault((place_name(str(dataset), condition, None), teacher, student.arch), []).append(size)
    found = {key: sizes for key, sizes in found.items() if len({size.networks[1] for size in sizes}) > 1}
    datasets = [key[0] for key in found]
    return [
        Series(
            dataset if datasets.count(dataset) == 1 else f"{dataset}, {arch} from {_short(teacher)}",
            tuple(sorted(sizes, key=lambda size: size.ratio)),
        )
        for (dataset, teacher, arch), sizes in found.items()
    ]


def _short(spec: ModelSpec) -> str:
    return f"{spec.arch} {'-'.join(map(str, spec.channels))}"
