"""The arms of experiments on HPM-KD: which of its components a baseline's name switches off."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import pandas as pd

from hpmkd.analysis import stats
from hpmkd.config.words import KEYS, keys_of, read
from hpmkd.plan.ablations import NAME, SWITCHES

# Component -> what people call it. The first four change what is learnt, the last two only when and where.
TITLES = {
    "chain": "chain",
    "multi_teacher": "multi-teacher",
    "meta_temperature": "meta temperature",
    "adaptive": "adaptive",
    "parallel": "parallel pipeline",
    "shared_memory": "shared memory",
}
LEARNING = ("chain", "multi_teacher", "meta_temperature", "adaptive")
ENGINE = ("parallel", "shared_memory")
# Settings that a component alone has: where it is off, their words are left out of names.
_SETTINGS = {
    "chain": frozenset({"hpmkd.chain_length"}),
    "multi_teacher": frozenset({"hpmkd.teachers", "hpmkd.weighting", "hpmkd.entropy_bonus", "hpmkd.gate_steps"}),
    "meta_temperature": frozenset({"hpmkd.schedule", "hpmkd.t_high", "hpmkd.t_low"}),
    "adaptive": keys_of("adaptive"),
}
_COUNTS = frozenset({"hpmkd.chain_length", "hpmkd.teachers"})
Off = frozenset[str]
Words = tuple[tuple[str, str], ...]  # config key, word


@dataclass(frozen=True)
class Arm:
    """HPM-KD with the components in `off` switched off; `words`: the settings that its name has besides."""

    off: Off
    words: Words

    def without(self, off: Off) -> Arm:
        """The same method with these components off."""
        idle = frozenset[str]().union(*(_SETTINGS.get(name, frozenset()) for name in off))
        return Arm(off, tuple(one for one in self.words if one[0] not in idle))


def arm_of(label: str) -> Arm | None:
    """The arm that a canonical name such as `HPM-KD-noChain-T2` means; None of what is no HPM-KD."""
    if label != NAME and not label.startswith(f"{NAME}-"):
        return None
    off, words = set(), []
    for word in label.removeprefix(NAME).split("-")[1:]:
        setting = read(word, KEYS)
        if setting is None:
            return None
        key, value = setting
        if key not in SWITCHES:
            words.append((key, word))
        elif value is False:
            off.add(key.partition(".")[2])
    return Arm(frozenset(off), tuple(words))


@dataclass(frozen=True)
class Family:
    """One method with its components on and off.

    Args:
        name: of the method with all of them, whether it is there or not: `HPM-KD`, `HPM-KD-M4`.
        cells: the components of `LEARNING` that are off -> the baseline.
        engine: a component of `ENGINE` -> the baseline without it alone.
    """

    name: str
    cells: dict[Off, str]
    engine: dict[str, str]


def families(labels: Iterable[str]) -> list[Family]:
    """The families among some baselines; one whose arms are all in another is left out."""
    arms = {label: arm for label in dict.fromkeys(labels) if (arm := arm_of(label)) is not None}
    # Whether the engine's components are on does not change the weights: an arm stands in for the one that is missing.
    by_arm: dict[Arm, str] = {}
    for label in sorted(arms, key=lambda name: len(arms[name].off & set(ENGINE))):
        by_arm.setdefault(Arm(arms[label].off - set(ENGINE), arms[label].words), label)
    made: list[Family] = []
    for words in _not_counted(dict.fromkeys(arm.words for arm in arms.values())):
        full = Arm(frozenset(), words)
        cells = {arm.off: label for arm, label in by_arm.items() if full.without(arm.off) == arm}
        own = {label: arm.off for label, arm in arms.items() if arm.words == words}
        engine = {name: label for name in ENGINE for label, off in own.items() if off == {name}}
        engine = {name: label for name, label in engine.items() if label != cells.get(frozenset())}
        made.append(Family("-".join([NAME, *(word for _, word in words)]), cells, engine))
    sets = [set(one.cells.values()) | set(one.engine.values()) for one in made]
    return [
        one
        for place, one in enumerate(made)
        if not any(sets[place] < other or (sets[place] == other and at < place) for at, other in enumerate(sets))
    ]


def _not_counted(found: Iterable[Words]) -> list[Words]:
    """Without those of which there are several that differ by a length of the chain or a number of teachers: what that
    buys has sections of its own."""
    groups: dict[Words, set[tuple[str, str]]] = {}
    for words in found:
        rest = tuple(one for one in words if one[0] not in _COUNTS)
        groups.setdefault(rest, set()).update(one for one in words if one[0] in _COUNTS)
    made = []
    for words in found:
        counts = groups[tuple(one for one in words if one[0] not in _COUNTS)]
        keys = [key for key, _ in counts]
        made += [] if any(keys.count(key) > 1 for key, _ in words) else [words]
    return made


def coincide(part: pd.DataFrame, one: str, other: str) -> bool:
    """Whether two baselines are the same models in every run: then nothing was switched."""
    same, known = stats.same_weights(part, one, other)
    return known > 0 and same == known


@dataclass(frozen=True)
class Group:
    """The arms of one family in one place (data set, condition, pair of networks), as far as they are trained.

    Args:
        place: its name.
        family: which arms there are.
        part: all students of the place.
        wide: their test accuracies in percent, run x baseline; of a run that lies there under two names, the mean.
    """

    place: str
    family: Family
    part: pd.DataFrame
    wide: pd.DataFrame

    def of(self, baseline: str) -> pd.DataFrame:
        """The students of a baseline."""
        return self.part[self.part["baseline"] == baseline]


def groups_of(frame: pd.DataFrame) -> list[Group]:
    """Every family in every place of a results frame."""
    made = []
    students = stats.students(frame)
    for place, part in students[students["accuracy_pct"].notna()].groupby("place", sort=False):
        wide = part.pivot_table(index="run", columns="baseline", values="accuracy_pct", aggfunc="mean")
        made += [Group(str(place), family, part, wide) for family in families(map(str, wide.columns))]
    return made
