"""The experiments that a report looks for: one line here for each, in the order of the page."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pandas as pd

from hpmkd.analysis.experiments import (
    ablation,
    chain,
    costs,
    imbalance,
    interactions,
    latency,
    noise,
    published,
    ratios,
    representations,
    sensitivity,
    speedup,
    teachers,
)
from hpmkd.analysis.experiments.contrast import about_teachers
from hpmkd.analysis.section import Section
from hpmkd.audit.sweep_dir import Saved

# From the frame of `results.collect`, the names of the baselines in order, and what else a sweep's folder holds, to a
# section; None where the sweep does not have the models that the experiment is about.
Experiment = Callable[[pd.DataFrame, Sequence[str], Saved], Section | None]
# By the name of their sections.
EXPERIMENTS: dict[str, Experiment] = {
    "published": published.section,
    "ratios": ratios.section,
    "ablation": ablation.section,
    "interactions": interactions.section,
    "sensitivity": sensitivity.section,
    "chain": chain.section,
    "teachers": teachers.section,
    "imbalance": imbalance.section,
    "noise": noise.section,
    "representations": representations.section,
    "costs": costs.section,
    "efficiency": latency.section,
    "speedup": speedup.section,
}


def sections_of(frame: pd.DataFrame, order: Sequence[str], saved: Saved) -> tuple[Section, ...]:
    """The sections of all experiments that this sweep has the models of, whatever its mode is called."""
    found = (make(frame, order, saved) for make in EXPERIMENTS.values())
    own = saved.config is not None and saved.config.teacher.per_run
    return tuple(about_teachers(section, own) for section in found if section is not None)
