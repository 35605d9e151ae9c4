"""The baselines: name -> the file with its loss, and what its students learn from. No torch until one is built."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from hpmkd.config import SweepConfig
from hpmkd.errors import UsageError
from hpmkd.lineage import Lineage, section_values
from hpmkd.specs import ModelSpec

if TYPE_CHECKING:
    from hpmkd.methods.base import Distiller


@dataclass(frozen=True)
class Method:
    """One baseline. `path` is `module:class` of its `Distiller`; `lineage` makes its lineage from a config."""

    path: str
    lineage: Callable[[SweepConfig], Lineage]


def _taught(name: str, *sections: str, **more: Any) -> Callable[[SweepConfig], Lineage]:
    """A baseline on top of KD, with config sections of its own."""
    return lambda config: Lineage(name, name, section_values(config, "kd", *sections), **more)


def _takd(config: SweepConfig) -> Lineage:
    return _taught("TAKD", assistants=1, assistant_size=config.takd.size)(config)


METHODS: dict[str, Method] = {
    "Direct": Method("hpmkd.methods.direct:Direct", lambda config: Lineage("Direct", "Direct", teachers=0)),
    "TraditionalKD": Method("hpmkd.methods.traditional_kd:TraditionalKD", _taught("TraditionalKD")),
    "FitNets": Method("hpmkd.methods.fitnets:FitNets", _taught("FitNets", "fitnets")),
    "AT": Method("hpmkd.methods.at:AT", _taught("AT", "at")),
    "TAKD": Method("hpmkd.methods.takd:TAKD", _takd),
}


def lineages(config: SweepConfig) -> tuple[Lineage, ...]:
    """The lineage of every entry of `config.baselines`; UsageError for an unknown one."""
    for name in config.baselines:
        if name not in METHODS:
            raise UsageError(
                "baselines: unknown baseline",
                expected="any of " + ", ".join(METHODS),
                found=repr(name),
                todo="correct the name (upper and lower case count)",
            )
    return tuple(METHODS[name].lineage(config) for name in config.baselines)


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
