"""The baselines: name -> what its students learn from. No torch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from hpmkd.errors import UsageError
from hpmkd.plan import ablations
from hpmkd.plan.baseline import Lineage, section_values

if TYPE_CHECKING:
    from hpmkd.config.sweep import SweepConfig


@dataclass(frozen=True)
class Method:
    """One baseline. `lineage` makes its lineage from a config; the loss is in `methods.build.DISTILLERS`.

    `variant` makes it from a config and the words that follow the name, for a baseline that has switches.
    """

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
    return ablations.lineage(config, [], ablations.NAME)


METHODS: dict[str, Method] = {
    "Direct": Method(lambda config: Lineage("Direct", "Direct", teachers=0)),
    "TraditionalKD": Method(_taught("TraditionalKD")),
    "FitNets": Method(_taught("FitNets", "fitnets", features=True)),
    "AT": Method(_taught("AT", "at", features=True)),
    "TAKD": Method(_takd),
    "KD-Ensemble": Method(_ensemble),
    "KD-Budget": Method(_budget),
    "HPM-KD": Method(_hpm_kd, ablations.lineage),
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
