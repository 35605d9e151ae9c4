"""HPM-KD as a baseline: what its students learn from with each of its components on or off.

`HPM-KD` is what the section `hpmkd` of the config says. Words in its name switch it further (`config/words.py`), so
that one sweep can hold an ablation: `--baselines HPM-KD HPM-KD-noChain HPM-KD-noMetaTemp`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hpmkd.config.words import EPOCHS, keys_of
from hpmkd.plan.baseline import Baseline
from hpmkd.plan.composition import kd_hparams, kd_reads
from hpmkd.plan.searching import searched_keys

if TYPE_CHECKING:
    from hpmkd.config.methods import HPMKDConfig
    from hpmkd.config.sweep import SweepConfig

NAME = "HPM-KD"
SWITCHES = frozenset(
    f"hpmkd.{name}" for name in ("chain", "multi_teacher", "meta_temperature", "adaptive", "parallel", "shared_memory")
)


def hpm_kd(config: SweepConfig) -> Baseline:
    """The baseline.

    Teachers of a student: with several teachers all of them and the chain's assistants; with one, the last of the
    chain, or the teacher where there is none.
    """
    section = config.hpmkd
    hparams = dict(kd_hparams(config))
    teachers = (section.teachers or 1) if section.multi_teacher else 1
    if _several(section):
        hparams["hpmkd.weighting"] = section.weighting
        if section.weighting == "attention":
            hparams |= {"hpmkd.entropy_bonus": section.entropy_bonus, "hpmkd.gate_steps": section.gate_steps}
    if section.meta_temperature:
        hparams |= {"hpmkd.schedule": section.schedule, "hpmkd.t_high": section.t_high, "hpmkd.t_low": section.t_low}
    return Baseline(
        NAME,
        NAME,
        tuple(sorted(hparams.items())),
        teachers=teachers,
        assistants=section.chain_length if section.chain else 0,
        taught_by="all" if section.multi_teacher else "last",
        numbered=True,
        shared=section.shared_memory,
        search=section.adaptive,
        serial=not section.parallel,
        reads=_reads(config),
        listed=_listed(section),
    )


def _several(section: HPMKDConfig) -> bool:
    """Whether students may have several teachers: with a chain of a length that follows from sizes one cannot tell."""
    chain = section.chain and section.chain_length != 0
    return section.multi_teacher and ((section.teachers or 1) > 1 or chain)


def _listed(section: HPMKDConfig) -> frozenset[str]:
    """Whose switches stand in the name wherever they are not the default; not a mode of a component that is off."""
    modes = {"hpmkd.weighting": _several(section), "hpmkd.schedule": section.meta_temperature}
    return SWITCHES | {key for key, on in modes.items() if on}


def _reads(config: SweepConfig) -> frozenset[str]:
    """What it depends on: nothing of a component that is off; how teachers are weighted only where there are two."""
    section, on_kd = config.hpmkd, kd_reads(config)
    found = SWITCHES | {EPOCHS} | ((on_kd | keys_of("adaptive")) - searched_keys(config) if section.adaptive else on_kd)
    if section.chain:
        found |= {"hpmkd.chain_length"}
    if section.multi_teacher:
        found |= {"hpmkd.teachers"}
    if _several(section):
        found |= {"hpmkd.weighting"}
        found |= {"hpmkd.entropy_bonus", "hpmkd.gate_steps"} if section.weighting == "attention" else set()
    if section.meta_temperature:
        found |= {"hpmkd.schedule", "hpmkd.t_high", "hpmkd.t_low"}
    return found
