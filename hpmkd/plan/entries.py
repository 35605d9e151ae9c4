"""What a baseline of the catalog is made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hpmkd.config.words import keys_of
from hpmkd.plan import composition
from hpmkd.plan.baseline import Baseline
from hpmkd.plan.composition import ON_EITHER

if TYPE_CHECKING:
    from hpmkd.config.sweep import SweepConfig

# Of `ModelOutput`: what a loss looks at beside logits.
MAPS, EMBEDDING, BEFORE = "features", "embedding", "pre_activations"


@dataclass(frozen=True)
class CatalogEntry:
    """One baseline. `make` makes it from a config; the loss is in `methods.build.DISTILLERS`.

    `keys`: config keys that it reads only where some words in its name say so (see `config/words.py`).
    """

    make: Callable[[SweepConfig], Baseline]
    keys: frozenset[str] = frozenset()


def taught(name: str, *sections: str, **more: Any) -> Callable[[SweepConfig], Baseline]:
    """A baseline on top of KD, with config sections of its own, whose settings become words of its name."""
    own = keys_of(*sections) | more.pop("reads", frozenset())

    def make(config: SweepConfig) -> Baseline:
        reads = composition.kd_reads(config) | own
        return Baseline(name, name, composition.kd_hparams(config, *sections), reads=reads, **more)

    return make


def features(name: str, *taps: str) -> CatalogEntry:
    """A baseline that compares feature maps or embeddings, with settings in a section of its name, on KD or alone."""
    section = name.lower()

    def make(config: SweepConfig) -> Baseline:
        hparams, reads = composition.feature_hparams(config, section), composition.feature_reads(config)
        return Baseline(name, name, hparams, reads=reads | keys_of(section), taps=frozenset(taps))

    return CatalogEntry(make, ON_EITHER | keys_of(section))


def logits(name: str) -> CatalogEntry:
    """A baseline whose own term, with settings in a section of its name, compares logits."""
    section = name.lower()

    def make(config: SweepConfig) -> Baseline:
        hparams = composition.logit_hparams(config, section)
        return Baseline(name, name, hparams, reads=composition.logit_reads(config, section))

    return CatalogEntry(make, keys_of("ls", section))
