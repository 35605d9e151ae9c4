"""What a baseline's own term stands on: KD, or the labels alone; and whether logits are standardised (LS).

In the literature's tables feature methods stand alone, in ours on KD; a word in the name (`AT-alone`, `AT-KD`) says the
other. A method that compares logits has its own term in place of KD's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hpmkd.config.words import EPOCHS, keys_of
from hpmkd.plan.baseline import SEARCHED, hparams_of
from hpmkd.plan.job import Hparams, Job

if TYPE_CHECKING:
    from hpmkd.config.sweep import SweepConfig

# What a student's loss is made of, see `term_of`.
NO_TEACHER, PLAIN_KD, OWN_ON_KD, OWN_ALONE, NO_LABELS = "", "KD", "own on KD", "own alone", "no labels"
# Methods whose loss is KD, whatever its teachers and its temperature are.
_PLAIN = ("TraditionalKD", "CTKD", "TAKD", "KD-Ensemble", "HPM-KD")
_ALONE, _STANDARDISE, _TEMPERATURE = "kd.alone", "kd.standardise", "kd.temperature"
# What every baseline with a teacher depends on.
_ALWAYS = (keys_of("kd") - SEARCHED - {_ALONE, _STANDARDISE}) | {EPOCHS}
# What a baseline on KD reads where some words in its name say so.
ON_KD = keys_of("kd", "ls") - {_ALONE}
ON_EITHER = ON_KD | {_ALONE}
# The same of one that compares logits in a way of its own.
OF_LOGITS = keys_of("ls")
# What one reads whose loss is its own altogether.
PLAIN_READS = _ALWAYS


def _hparams(config: SweepConfig, *sections: str, without: frozenset[str]) -> Hparams:
    own = hparams_of(config, "kd", *sections, *["ls"] * config.kd.standardise)
    return tuple(pair for pair in own if pair[0] not in without)


def kd_hparams(config: SweepConfig, *sections: str, learnt: bool = False) -> Hparams:
    """Settings of a loss on KD. Under LS the temperature is that of LS; `learnt`: it is no setting."""
    off = {_ALONE, *[_TEMPERATURE] * (config.kd.standardise or learnt), *["ls.temperature"] * learnt}
    return _hparams(config, *sections, without=frozenset(off))


def kd_reads(config: SweepConfig) -> frozenset[str]:
    """The keys with a word that a loss on KD depends on."""
    standard = config.kd.standardise
    return _ALWAYS | SEARCHED - {_TEMPERATURE} | {_STANDARDISE} | (keys_of("ls") if standard else {_TEMPERATURE})


def feature_hparams(config: SweepConfig, *sections: str) -> Hparams:
    """Settings of a loss on KD or on the labels alone."""
    if not config.kd.alone:
        return kd_hparams(config, *sections)
    off = SEARCHED | {_STANDARDISE} | frozenset(f"ls.{key}" for key in type(config.ls).model_fields)
    return _hparams(config, *sections, without=off)


def feature_reads(config: SweepConfig) -> frozenset[str]:
    """As `kd_reads`."""
    return _ALWAYS | {_ALONE} if config.kd.alone else kd_reads(config) | {_ALONE}


# What the settings of LS replace. MLKD keeps its own temperatures.
_REPLACED = frozenset(f"{section}.temperature" for section in ("dkd", "dist", "nkd", "rld")) | {
    "rld.confidence_temperature", "wttm.gamma", "mlkd.weight",
}  # fmt: skip


def _of_ls(section: str) -> frozenset[str]:
    return frozenset({"ls.weight"}) if section == "mlkd" else keys_of("ls")


def logit_hparams(config: SweepConfig, section: str) -> Hparams:
    """Settings of a loss whose own term, with the settings of `section`, stands in place of KD's."""
    replaced = _REPLACED | {f"{section}.temperature"} - {"mlkd.temperature"}
    off = replaced | keys_of("ls") - _of_ls(section) if config.kd.standardise else frozenset()
    return _hparams(config, section, without=SEARCHED | {_ALONE} | off)


def logit_reads(config: SweepConfig, section: str) -> frozenset[str]:
    """As `kd_reads`."""
    reads = _ALWAYS | keys_of(section) | {_STANDARDISE}
    return (reads | _of_ls(section)) - _REPLACED if config.kd.standardise else reads


def plain_hparams(config: SweepConfig, section: str) -> Hparams:
    """Settings of a loss that is its own altogether."""
    return _hparams(config, section, without=SEARCHED | {_ALONE, _STANDARDISE})


def term_of(job: Job) -> str:
    """Whether a student's loss is KD, a term of its own on KD, or one beside the labels alone."""
    if not job.teachers:
        return NO_TEACHER
    if job.method in _PLAIN:
        return PLAIN_KD
    if job.model.reuses is not None:
        return NO_LABELS
    return OWN_ON_KD if "kd.alpha" in dict(job.hparams) else OWN_ALONE


def is_standardised(job: Job) -> bool:
    """Whether its logits are (LS)."""
    return bool(dict(job.hparams).get(_STANDARDISE))
