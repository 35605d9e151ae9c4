"""HPM-KD's switches: from a config, or from words in a baseline's name, to a baseline with a unique name.

`HPM-KD` is what the section `hpmkd` of the config says. Words switch it further, so that one sweep can hold an
ablation: `--baselines HPM-KD HPM-KD-noChain HPM-KD-noMetaTemp`. The canonical name lists every departure from the
full method, whether a word or the config made it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hpmkd.errors import UsageError
from hpmkd.plan.baseline import Baseline, hparams_of

if TYPE_CHECKING:
    from hpmkd.config.methods import HPMKDConfig
    from hpmkd.config.sweep import SweepConfig

NAME = "HPM-KD"
# word -> what it sets, in the order of canonical names.
WORDS: dict[str, tuple[str, Any]] = {
    "noChain": ("chain", False),
    "noMultiTeacher": ("multi_teacher", False),
    "uniform": ("weighting", "uniform"),
    "confidence": ("weighting", "confidence"),
    "noMetaTemp": ("meta_temperature", False),
    "lossTemp": ("schedule", "loss"),
    "convergenceTemp": ("schedule", "convergence"),
    "noAdaptive": ("adaptive", False),
    "noParallel": ("parallel", False),
    "noSharedMemory": ("shared_memory", False),
}


def switched(config: HPMKDConfig, words: list[str], where: str) -> HPMKDConfig:
    """The section with a name's words applied; UsageError for an unknown word or two that contradict."""
    changes: dict[str, Any] = {}
    for word in words:
        if word not in WORDS:
            raise UsageError(
                f"baselines: {where!r} has an unknown switch {word!r}",
                expected=f"{NAME} and any of " + ", ".join(WORDS),
                todo=f"for example {NAME}-noChain-noMetaTemp",
            )
        key, value = WORDS[word]
        if changes.get(key, value) != value:
            raise UsageError(
                f"baselines: {where!r} sets `hpmkd.{key}` twice",
                expected="each setting once",
                found=f"{changes[key]!r} and {value!r}",
                todo=f"leave one of the switches out, here {word}",
            )
        changes[key] = value
    return config.model_copy(update=changes)


def label(config: HPMKDConfig) -> str:
    """The canonical name of a section: every switch that is off, every mode that is not the default."""
    words = [word for word, (key, value) in WORDS.items() if getattr(config, key) == value and _matters(config, key)]
    return "-".join([NAME, *words])


def _matters(config: HPMKDConfig, key: str) -> bool:
    """A mode of a component that is off is no difference."""
    owner = {"weighting": config.multi_teacher, "schedule": config.meta_temperature}
    return owner.get(key, True)


def variant(config: SweepConfig, words: list[str], where: str) -> Baseline:
    """The baseline of one variant.

    Teachers of a student: with several teachers all of them and the chain's assistants; with one, the last of the
    chain, or the teacher where there is none.
    """
    section = switched(config.hpmkd, words, where)
    hparams = dict(hparams_of(config, "kd"))
    if section.multi_teacher:
        hparams["hpmkd.weighting"] = section.weighting
        if section.weighting == "attention":
            hparams |= {"hpmkd.entropy_bonus": section.entropy_bonus, "hpmkd.gate_steps": section.gate_steps}
    if section.meta_temperature:
        hparams |= {"hpmkd.schedule": section.schedule, "hpmkd.t_high": section.t_high, "hpmkd.t_low": section.t_low}
    name = label(section)
    return Baseline(
        name,
        NAME,
        tuple(sorted(hparams.items())),
        teachers=section.teachers if section.multi_teacher else 1,
        assistants=section.chain_length if section.chain else 0,
        taught_by="all" if section.multi_teacher else "last",
        family=NAME if section.shared_memory else name,
        numbered=True,
        shared=section.shared_memory,
        search=section.adaptive,
        serial=not section.parallel,
    )
