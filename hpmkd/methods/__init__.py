"""The baselines: name -> what its students learn from, and the file with its loss. No torch until one is built."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from hpmkd.plan import Lineage
from hpmkd.specs import ModelSpec

if TYPE_CHECKING:
    from hpmkd.methods.base import Distiller


@dataclass(frozen=True)
class Method:
    """One baseline. `path` is `module:class` of its `Distiller`."""

    path: str
    lineage: Lineage


METHODS: dict[str, Method] = {
    "Direct": Method("hpmkd.methods.direct:Direct", Lineage(teacher=False)),
    "TraditionalKD": Method("hpmkd.methods.traditional_kd:TraditionalKD", Lineage()),
    "FitNets": Method("hpmkd.methods.fitnets:FitNets", Lineage(section="fitnets")),
    "AT": Method("hpmkd.methods.at:AT", Lineage(section="at")),
    "TAKD": Method("hpmkd.methods.takd:TAKD", Lineage(assistants=1)),
}
LINEAGES = {name: method.lineage for name, method in METHODS.items()}


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
