"""A method that a user brings, as a baseline."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hpmkd.config.extended import own_keys
from hpmkd.config.own_method import SOURCE, OwnMethod
from hpmkd.config.words import EPOCHS
from hpmkd.plan import composition
from hpmkd.plan.baseline import SEVERAL, Baseline, hparams_of
from hpmkd.plan.entries import CatalogEntry
from hpmkd.plan.job import Hparams

if TYPE_CHECKING:
    from hpmkd.config.sweep import SweepConfig

_TEACHERS = "hpmkd.teachers"
_KEYS = {
    "features": composition.ON_EITHER,
    "kd": composition.ON_KD,
    "logits": composition.OF_LOGITS,
    "plain": frozenset[str](),
}


def own_entry(method: OwnMethod) -> CatalogEntry:
    """The entry of the catalog. The hash of its source is among its settings, so another source is another method."""

    def make(config: SweepConfig) -> Baseline:
        hparams, reads = _settings(method, config)
        several = method.teachers == "several"
        return Baseline(
            method.name,
            method.name,
            tuple(sorted([*hparams, (SOURCE, method.source)])),
            teachers=0 if method.teachers == "none" else (config.hpmkd.teachers or SEVERAL) if several else 1,
            taught_by="all" if several else "last",
            taps=frozenset(method.needs),
            reads=reads | ({_TEACHERS} if several else frozenset()),
            own=method,
        )

    return CatalogEntry(make, frozenset() if method.teachers == "none" else _KEYS[method.kind])


def _settings(method: OwnMethod, config: SweepConfig) -> tuple[Hparams, frozenset[str]]:
    """What its loss is given, and the keys with a word that it depends on."""
    section = method.section
    own = own_keys(config, section)
    if method.teachers == "none":
        return hparams_of(config, section), own | {EPOCHS}
    if method.kind == "features":
        return composition.feature_hparams(config, section), composition.feature_reads(config) | own
    if method.kind == "kd":
        return composition.kd_hparams(config, section), composition.kd_reads(config) | own
    if method.kind == "plain":
        return composition.plain_hparams(config, section), composition.PLAIN_READS | own
    replaced = {f"{section}.temperature"} if config.kd.standardise else set()
    return composition.logit_hparams(config, section), composition.logit_reads(config, section) | own - replaced
