"""The baselines: name -> what its students learn from. No torch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from hpmkd.errors import UsageError
from hpmkd.plan import ablations
from hpmkd.plan.baseline import Baseline, hparams_of

if TYPE_CHECKING:
    from hpmkd.config.sweep import SweepConfig


@dataclass(frozen=True)
class CatalogEntry:
    """One baseline. `make` makes it from a config; the loss is in `methods.build.DISTILLERS`.

    `variant` makes it from a config and the words that follow the name, for a baseline that has switches.
    """

    make: Callable[[SweepConfig], Baseline]
    variant: Callable[[SweepConfig, list[str], str], Baseline] | None = None


def _taught(name: str, *sections: str, **more: Any) -> Callable[[SweepConfig], Baseline]:
    """A baseline on top of KD, with config sections of its own."""
    return lambda config: Baseline(name, name, hparams_of(config, "kd", *sections), **more)


def _takd(config: SweepConfig) -> Baseline:
    return _taught("TAKD", assistants=1, assistant_size=config.takd.size)(config)


def _ensemble(config: SweepConfig) -> Baseline:
    return _taught("KD-Ensemble", teachers=config.hpmkd.teachers, taught_by="all")(config)


def _budget(config: SweepConfig) -> Baseline:
    """TraditionalKD trained as long as all of HPM-KD takes."""
    plain = _taught("TraditionalKD")(config)
    return replace(plain, label="KD-Budget", budget_of=_hpm_kd(config), budget_students=config.kd_budget.students)


def _hpm_kd(config: SweepConfig) -> Baseline:
    return ablations.variant(config, [], ablations.NAME)


BASELINES: dict[str, CatalogEntry] = {
    "Direct": CatalogEntry(lambda config: Baseline("Direct", "Direct", teachers=0)),
    "TraditionalKD": CatalogEntry(_taught("TraditionalKD")),
    "FitNets": CatalogEntry(_taught("FitNets", "fitnets", features=True)),
    "AT": CatalogEntry(_taught("AT", "at", features=True)),
    "TAKD": CatalogEntry(_takd),
    "KD-Ensemble": CatalogEntry(_ensemble),
    "KD-Budget": CatalogEntry(_budget),
    "HPM-KD": CatalogEntry(_hpm_kd, ablations.variant),
}


def baselines_of(config: SweepConfig) -> tuple[Baseline, ...]:
    """The baseline of every entry of `config.baselines`.

    Raises:
        UsageError: an unknown name or switch, or two entries that are the same baseline.
    """
    found: dict[str, str] = {}
    made = []
    for entry in config.baselines:
        baseline = _baseline_of(config, entry)
        if baseline.label in found:
            raise UsageError(
                "baselines: the same baseline twice",
                found=f"{found[baseline.label]!r} and {entry!r} are both {baseline.label}",
                todo="name it once, or change the switches in the section `hpmkd` of the config",
            )
        found[baseline.label] = entry
        made.append(baseline)
    return tuple(made)


def _baseline_of(config: SweepConfig, entry: str) -> Baseline:
    if entry in BASELINES:
        return BASELINES[entry].make(config)
    base = entry.removesuffix("-adaptive")
    if base != entry and base in BASELINES and BASELINES[base].variant is None:
        baseline = BASELINES[base].make(config)
        if baseline.teachers:
            return replace(baseline, label=entry, family=baseline.family or baseline.label, search=True)
    for name, method in BASELINES.items():
        if method.variant is not None and entry.startswith(f"{name}-"):
            return method.variant(config, entry.removeprefix(f"{name}-").split("-"), entry)
    raise UsageError(
        "baselines: unknown baseline",
        expected="any of " + ", ".join(BASELINES) + "; with switches as in HPM-KD-noChain, TraditionalKD-adaptive",
        found=repr(entry),
        todo="correct the name (upper and lower case matter)",
    )
