"""The baselines: name -> the file with its loss, and what its students learn from. No torch until one is built."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

from hpmkd.config.specs import ModelSpec
from hpmkd.errors import UsageError
from hpmkd.lineage import Lineage, section_values
from hpmkd.methods import variants

if TYPE_CHECKING:
    from hpmkd.config.sweep import SweepConfig
    from hpmkd.methods.base import Distiller


@dataclass(frozen=True)
class Method:
    """One baseline. `path` is `module:class` of its `Distiller`; `lineage` makes its lineage from a config.

    `variant` makes it from a config and the words that follow the name, for a baseline that has switches.
    """

    path: str
    lineage: Callable[[SweepConfig], Lineage]
    variant: Callable[[SweepConfig, list[str], str], Lineage] | None = None


def _taught(name: str, *sections: str, **more: Any) -> Callable[[SweepConfig], Lineage]:
    """A baseline on top of KD, with config sections of its own."""
    return lambda config: Lineage(name, name, section_values(config, "kd", *sections), **more)


def _takd(config: SweepConfig) -> Lineage:
    return _taught("TAKD", assistants=1, assistant_size=config.takd.size)(config)


def _ensemble(config: SweepConfig) -> Lineage:
    return _taught("KD-Ensemble", teachers=config.hpmkd.teachers, mentors="all")(config)


def _budget(config: SweepConfig) -> Lineage:
    """TraditionalKD trained as long as all of HPM-KD takes."""
    plain = _taught("TraditionalKD")(config)
    return replace(plain, label="KD-Budget", budget_of=_hpm_kd(config), budget_students=config.kd_budget.students)


def _hpm_kd(config: SweepConfig) -> Lineage:
    return variants.lineage(config, [], variants.NAME)


METHODS: dict[str, Method] = {
    "Direct": Method("hpmkd.methods.direct:Direct", lambda config: Lineage("Direct", "Direct", teachers=0)),
    "TraditionalKD": Method("hpmkd.methods.traditional_kd:TraditionalKD", _taught("TraditionalKD")),
    "FitNets": Method("hpmkd.methods.fitnets:FitNets", _taught("FitNets", "fitnets", features=True)),
    "AT": Method("hpmkd.methods.at:AT", _taught("AT", "at", features=True)),
    "TAKD": Method("hpmkd.methods.takd:TAKD", _takd),
    "KD-Ensemble": Method("hpmkd.methods.kd_ensemble:KDEnsemble", _ensemble),
    "KD-Budget": Method("hpmkd.methods.traditional_kd:TraditionalKD", _budget),
    "HPM-KD": Method("hpmkd.methods.hpm_kd:HPMKD", _hpm_kd, variants.lineage),
}


def lineages(config: SweepConfig) -> tuple[Lineage, ...]:
    """The lineage of every entry of `config.baselines`.

    Raises:
        UsageError: an unknown name or switch, or two entries that are the same baseline.
    """
    found: dict[str, str] = {}
    made = []
    for entry in config.baselines:
        lineage = _lineage(config, entry)
        if lineage.label in found:
            raise UsageError(
                "baselines: the same baseline twice",
                found=f"{found[lineage.label]!r} and {entry!r} are both {lineage.label}",
                todo="name it once, or give the config other switches (see `hpmkd`)",
            )
        found[lineage.label] = entry
        made.append(lineage)
    return tuple(made)


def _lineage(config: SweepConfig, entry: str) -> Lineage:
    if entry in METHODS:
        return METHODS[entry].lineage(config)
    base = entry.removesuffix("-adaptive")
    if base != entry and base in METHODS and METHODS[base].variant is None:
        lineage = METHODS[base].lineage(config)
        if lineage.teachers:
            return replace(lineage, label=entry, family=lineage.family or lineage.label, choice=True)
    for name, method in METHODS.items():
        if method.variant is not None and entry.startswith(f"{name}-"):
            return method.variant(config, entry.removeprefix(f"{name}-").split("-"), entry)
    raise UsageError(
        "baselines: unknown baseline",
        expected="any of " + ", ".join(METHODS) + "; HPM-KD-noChain and the like; TraditionalKD-adaptive and the like",
        found=repr(entry),
        todo="correct the name (upper and lower case count)",
    )


def build_distiller(
    name: str, hparams: Mapping[str, Any], student: ModelSpec, teachers: tuple[ModelSpec, ...], seed: int
) -> Distiller:
    """The loss of a method, with its helper modules initialised from `seed`."""
    import torch

    module, class_name = METHODS[name].path.split(":")
    kind = getattr(importlib.import_module(module), class_name)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return cast("Distiller", kind(dict(hparams), student, teachers))
