"""Words in a baseline's name, such as `T2` or `noChain`: each sets one setting of the method, or the epochs of its
students, for that baseline alone.

A new setting of a method gets its word by one line here: a switch in `SWITCHES`, a number in `NUMBERS`. The order of
these tables is that of words in canonical names. A setting of a user's own method (see `own_method.py`) is its own
word: `mine.max_size` is `maxSize2`, and where it is a switch `maxSize` and `noMaxSize`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterator
from typing import Any

from hpmkd.numeric import digits

# Word -> the config key that it sets, and to what. Those of the second block are for configs that differ from the
# defaults: they put a setting back.
SWITCHES: dict[str, tuple[str, Any]] = {
    "alone": ("kd.alone", True),
    "LS": ("kd.standardise", True),
    "TTM": ("wttm.weighting", "none"),
    "masked": ("mlkd.masked", True),
    "neighbours": ("cc.form", "neighbours"),
    "diagonal": ("pkt.diagonal", True),
    "twoStage": ("fitnets.schedule", "two_stage"),
    "noChain": ("hpmkd.chain", False),
    "noMultiTeacher": ("hpmkd.multi_teacher", False),
    "uniform": ("hpmkd.weighting", "uniform"),
    "confidence": ("hpmkd.weighting", "confidence"),
    "noMetaTemp": ("hpmkd.meta_temperature", False),
    "lossTemp": ("hpmkd.schedule", "loss"),
    "convergenceTemp": ("hpmkd.schedule", "convergence"),
    "noAdaptive": ("hpmkd.adaptive", False),
    "noParallel": ("hpmkd.parallel", False),
    "tuned": ("tune.every", True),
    "noSharedMemory": ("hpmkd.shared_memory", False),
    "KD": ("kd.alone", False),
    "rawLogits": ("kd.standardise", False),
    "weighted": ("wttm.weighting", "sample"),
    "unmasked": ("mlkd.masked", False),
    "kernel": ("cc.form", "kernel"),
    "noDiagonal": ("pkt.diagonal", False),
    "joint": ("fitnets.schedule", "joint"),
    "chain": ("hpmkd.chain", True),
    "multiTeacher": ("hpmkd.multi_teacher", True),
    "attention": ("hpmkd.weighting", "attention"),
    "metaTemp": ("hpmkd.meta_temperature", True),
    "cosineTemp": ("hpmkd.schedule", "cosine"),
    "adaptive": ("hpmkd.adaptive", True),
    "parallel": ("hpmkd.parallel", True),
    "sharedMemory": ("hpmkd.shared_memory", True),
    "untuned": ("tune.every", False),
}
# Of the recipe that all models of a sweep share, the one setting that a baseline may have for itself: methods are
# compared at equal cost, too.
EPOCHS = "fit.student_epochs"
# Word, to which a number is added -> the config keys that it may set; a baseline has one of them at most.
NUMBERS: dict[str, tuple[str, ...]] = {
    "T": (
        "kd.temperature",
        "dkd.temperature",
        "dist.temperature",
        "nkd.temperature",
        "rld.temperature",
        "ban.temperature",
    ),
    "a": ("kd.alpha", "dkd.alpha", "rld.alpha"),
    "lsT": ("ls.temperature",),
    "lsWeight": ("ls.weight",),
    "until": ("kd.until",),
    "mixup": ("kd.mixup",),
    "beta": (
        "fitnets.beta",
        "at.beta",
        "dkd.beta",
        "dist.beta",
        "wttm.beta",
        "rld.beta",
        "sp.beta",
        "cc.beta",
        "vid.beta",
        "pkt.beta",
        "nst.beta",
        "ofd.beta",
        "crd.beta",
        "reviewkd.beta",
        "simkd.beta",
    ),
    "gamma": ("dist.gamma", "nkd.gamma", "wttm.gamma", "cc.gamma"),
    "warmup": ("dkd.warmup", "rld.warmup", "reviewkd.warmup"),
    "distance": ("rkd.distance",),
    "angle": ("rkd.angle",),
    "order": ("cc.order",),
    "variance": ("vid.variance",),
    "negatives": ("crd.negatives",),
    "dimensions": ("crd.dimensions",),
    "nceT": ("crd.temperature",),
    "momentum": ("crd.momentum",),
    "channels": ("reviewkd.channels",),
    "Tc": ("rld.confidence_temperature",),
    "labels": ("mlkd.labels", "ban.labels"),
    "weight": ("mlkd.weight", "dml.weight"),
    "generations": ("ban.generations",),
    "start": ("ctkd.start",),
    "span": ("ctkd.span",),
    "ramp": ("ctkd.ramp",),
    "hint": ("fitnets.hint_part",),
    "p": ("at.p",),
    "steps": ("takd.steps",),
    "size": ("takd.size",),
    "chain": ("hpmkd.chain_length",),
    "M": ("hpmkd.teachers",),
    "bonus": ("hpmkd.entropy_bonus",),
    "gate": ("hpmkd.gate_steps",),
    "high": ("hpmkd.t_high",),
    "low": ("hpmkd.t_low",),
    "reduction": ("adaptive.reduction_factor", "simkd.reduction"),
    "part": ("adaptive.part",),
    "students": ("kd_budget.students",),
    "trials": ("tune.trials",),
    "epochs": (EPOCHS,),
}
_OF_ALL_TUNINGS = (
    "multiply_adds", "sampler", "scheduler", "reduction_factor", "first", "metric", "one_standard_error", "lr", "space",
)  # fmt: skip
# Settings of methods without a word, and why.
WORDLESS = {
    "kd.logits": "it is how the teachers' logits are obtained, not what is learnt from them",
    "kd.cache_gib": "it is how the teachers' logits are obtained, not what is learnt from them",
    "adaptive.lr_factors": "a list has no place in a name",
    "adaptive.temperatures": "a list has no place in a name",
    "adaptive.alphas": "a list has no place in a name",
    "adaptive.metric": "searches that are compared choose in the same way",
    "adaptive.one_standard_error": "searches that are compared choose in the same way",
    "mlkd.temperatures": "a list has no place in a name",
    **dict.fromkeys(
        (f"tune.{name}" for name in _OF_ALL_TUNINGS), "baselines that are compared are tuned in the same way"
    ),
}
# The second block of `SWITCHES`: in a name only where the config differs from the default.
PUT_BACK = (
    "KD", "rawLogits", "weighted", "unmasked", "kernel", "noDiagonal", "joint", "chain", "multiTeacher", "attention",
    "metaTemp", "cosineTemp", "adaptive", "parallel", "sharedMemory", "untuned",
)  # fmt: skip
KEYS = frozenset([*(key for key, _ in SWITCHES.values()), *(key for keys in NUMBERS.values() for key in keys)])
_NUMBER = re.compile(r"([A-Za-z]+?)((?:\d+\.?\d*|\.\d+)(?:[eE]\+?\d+)?)")


def keys_of(*sections: str) -> frozenset[str]:
    """The config keys of these sections that have a word."""
    return frozenset(key for key in KEYS if key.partition(".")[0] in sections)


def own_word(key: str) -> str:
    """Of a setting of a user's method: its name in one word, `max_size` as `maxSize`; empty where it has digits."""
    first, *more = key.partition(".")[2].split("_")
    word = first + "".join(part.capitalize() for part in more)
    return word if re.fullmatch("[A-Za-z]+", word) else ""


def _own_switches(key: str) -> tuple[str, str]:
    word = own_word(key)
    return word, f"no{word[:1].upper()}{word[1:]}"


def read(word: str, keys: Collection[str]) -> tuple[str, Any] | None:
    """The config key and the value that a word means among these keys; None where it means none of them."""
    key, value = SWITCHES.get(word, ("", None))
    if key in keys:
        return key, value
    own = [key for key in keys if key not in KEYS and own_word(key)]
    for key in own:
        if word in _own_switches(key):
            return key, word == own_word(key)
    parts = _NUMBER.fullmatch(word)
    if not parts or not math.isfinite(number := float(parts[2])):
        return None
    found = [key for key in NUMBERS.get(parts[1], ()) if key in keys] + [
        key for key in own if own_word(key) == parts[1]
    ]
    return (found[0], int(number) if number.is_integer() else number) if found else None


def word_of(key: str, value: Any) -> str | None:
    """The word that sets a config key to a value; None where there is none, as for null."""
    for word, setting in SWITCHES.items():
        if setting == (key, value):
            return word
    if isinstance(value, bool):
        return _own_switches(key)[not value] if key not in KEYS and own_word(key) else None
    if not isinstance(value, int | float):
        return None
    if key not in KEYS:
        return f"{own_word(key)}{digits(value)}" if own_word(key) and value >= 0 else None
    return next((f"{word}{digits(value)}" for word, keys in NUMBERS.items() if key in keys), None)


def vocabulary(keys: Collection[str], own_switches: Collection[str] = ()) -> list[str]:
    """The words for these keys as people may write them: `T2`, `a0.5`, `noChain`; numbers by an example.

    `own_switches`: of keys of users' methods those that are on or off.
    """
    switches = [word for word, (key, _) in SWITCHES.items() if key in keys and word not in PUT_BACK]
    own = sorted(key for key in keys if key not in KEYS and own_word(key))
    switches += [word for key in own if key in own_switches for word in _own_switches(key)]
    numbers = [*_numbers(keys), *(own_word(key) for key in own if key not in own_switches)]
    return [*switches, *(f"{word}{digits(_EXAMPLES.get(word, 2))}" for word in numbers)]


_EXAMPLES = {
    "a": 0.5, "gamma": 0.5, "warmup": 0.1, "labels": 0.1, "weight": 0.9, "start": 1, "span": 20, "ramp": 0.1,
    "lsWeight": 9, "distance": 25, "angle": 50, "order": 2, "variance": 5, "negatives": 4096, "dimensions": 128,
    "nceT": 0.1, "momentum": 0.5, "channels": 256, "until": 0.5, "mixup": 0.2, "beta": 100, "hint": 0.3, "size": 20000,
    "bonus": 0.2, "gate": 100, "high": 1.5, "low": 0.5, "reduction": 3, "part": 0.5, "students": 5, "trials": 20,
    "epochs": 60,
}  # fmt: skip


def _numbers(keys: Collection[str]) -> Iterator[str]:
    return (word for word, own in NUMBERS.items() if any(key in keys for key in own))
