"""Searches (`adaptive`): which settings of students are chosen, and among which values."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hpmkd.config.words import keys_of
from hpmkd.plan.baseline import hparams_of
from hpmkd.plan.composition import kd_hparams
from hpmkd.plan.job import Hparams
from hpmkd.plan.searched import FACTORS

if TYPE_CHECKING:
    from hpmkd.config.sweep import SweepConfig

# Keys that came later: of searches as they were before they are no part, so that older fingerprints stay true.
_NEUTRAL = {FACTORS: [1.0], "adaptive.metric": "accuracy", "adaptive.one_standard_error": False}
# The config keys with a word that a search depends on, where its baseline reads them.
READS = keys_of("adaptive", "kd", "ls")


def searched_keys(config: SweepConfig) -> frozenset[str]:
    """Settings of KD that a search chooses: a baseline that has one does not read them from the config."""
    own = {"kd.temperature": config.adaptive.temperatures, "kd.alpha": config.adaptive.alphas}
    return frozenset(key for key, values in own.items() if values is not None)


def search_hparams(config: SweepConfig) -> Hparams:
    """Of a search: how it chooses and among what, and the settings of KD that it takes from the config."""
    own = [pair for pair in kd_hparams(config) if pair[0] not in searched_keys(config)]
    how = [(key, value) for key, value in hparams_of(config, "adaptive") if value not in (None, _NEUTRAL.get(key))]
    return tuple(sorted([*own, *how]))
