"""From a baseline's name with words, such as `TAKD-a0.5-T2.0`, to a baseline with a canonical name: `TAKD-T2-a0.5`.

Two names of the same baseline have the same canonical name. A number that the config says for all baselines is left out
of it, so that names without words mean what they always meant.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from hpmkd.config.extended import own_switches
from hpmkd.config.overrides import with_values, written
from hpmkd.config.words import keys_of, read, vocabulary, word_of
from hpmkd.errors import UsageError
from hpmkd.plan import searching
from hpmkd.plan.baseline import SEARCHED, Baseline
from hpmkd.plan.tuning import with_tuning

if TYPE_CHECKING:
    from hpmkd.config.sweep import SweepConfig

# Any baseline on KD can have the search of its settings; HPM-KD has a config key for it.
SEARCH, _SEARCH_KEY = "adaptive", "hpmkd.adaptive"
_CHAIN, _LENGTH, _TEMPERATURE = "hpmkd.chain", "hpmkd.chain_length", "kd.temperature"
_TEACHERS = "hpmkd.teachers"
# What assistants and searches depend on: these words alone stand in the names of their files, too.
# But not on how many generations follow.
_OF_ASSISTANTS = keys_of("kd", "ls", "takd", "ban") - {"ban.generations"} | {_LENGTH}


@dataclass(frozen=True)
class Kind:
    """What a name without words stands for.

    Args:
        name: of the baseline.
        make: it from a config.
        keys: config keys that it reads only where some words say so, in addition to what `make` says it reads.
    """

    name: str
    make: Callable[[SweepConfig], Baseline]
    keys: frozenset[str] = frozenset()

    def readable(self, config: SweepConfig, search: bool) -> frozenset[str]:
        """The config keys for which it may have words."""
        made = self.make(config)
        tuning = frozenset() if made.budget_of is not None else keys_of("tune")
        return self.keys | made.reads | tuning | (keys_of("adaptive") if search else frozenset())


def named(kind: Kind, words: Sequence[str], config: SweepConfig) -> Baseline:
    """The baseline that a name with words means.

    Raises:
        UsageError: a word that it does not have, that changes nothing here, or that is said twice; a bad number.
    """
    where = f"baselines: {'-'.join([kind.name, *words])!r}"
    values, search = parsed(kind, words, config=config, where=where)
    made, idle = with_settings(kind, values, config=config, search=search, where=where)
    # A mode of a component that is off (`noMultiTeacher-uniform`) is left out of the name; a number is a mistake.
    for key in sorted(key for key in idle if not isinstance(values[key], bool | str)):
        raise _idle(kind, str(word_of(key, values[key])), made, config=config, where=where)
    return made


def parsed(kind: Kind, words: Sequence[str], config: SweepConfig, where: str) -> tuple[dict[str, Any], bool]:
    """What the words of a name set, by config key, and whether they ask for a search that has none.

    Raises:
        UsageError: a word that the baseline does not have, or that is said twice; `where` is said in errors.
    """
    search, rest = _search(kind, words, config, where)
    values: dict[str, Any] = {}
    for word in rest:
        setting = read(word, kind.readable(config, search))
        if setting is None:
            raise _unknown(kind, word, config, where)
        key, value = setting
        other = {_CHAIN: _LENGTH, _LENGTH: _CHAIN}.get(key, key)
        said = key if key in values else other
        if said in values:
            raise UsageError(
                f"{where} sets `{key}` twice",
                expected="each setting once",
                found=f"{word} beside {word_of(said, values[said])}",
                todo=f"leave one of the words out, here {word}",
            )
        values[key] = value
    return values, search


def _search(kind: Kind, words: Sequence[str], config: SweepConfig, where: str) -> tuple[bool, list[str]]:
    """Whether `adaptive` is said of a baseline that has no config key for it, and the other words."""
    plain = kind.make(config)
    if _SEARCH_KEY in plain.reads or not plain.teachers or SEARCH not in words:
        return False, list(words)
    if words.count(SEARCH) > 1:
        raise UsageError(f"{where} says {SEARCH} twice", expected="each word once", todo="leave one of them out")
    return True, [word for word in words if word != SEARCH]


def with_settings(
    kind: Kind, values: Mapping[str, Any], config: SweepConfig, search: bool, where: str
) -> tuple[Baseline, set[str]]:
    """The baseline with some settings of its method, and which of them are idle: the baseline does not depend on them.

    Args:
        kind: which baseline.
        values: config key -> value.
        config: the sweep's.
        search: its settings come from a search, though the config has no key for that.
        where: for errors.

    Raises:
        UsageError: a value out of its range.
    """
    own = with_values(config, _with_teachers(_with_chain(values, config), kind, config), where)
    made = kind.make(own)
    _need_something_to_search(made, own, search, where)
    if search:
        made = replace(made, search=True, reads=made.reads - searching.searched_keys(own) | keys_of("adaptive"))
    made = with_tuning(made, own, where, asked="tune.every" in values)
    idle = {key for key in values if key not in made.reads} - ({_LENGTH} if values.get(_LENGTH) == 0 else set())
    if idle:
        rest = {key: value for key, value in values.items() if key not in idle}
        return with_settings(kind, rest, config=config, search=search, where=where)[0], idle
    label = "-".join([kind.name, *[SEARCH] * search, *_words(own, config, made.reads | made.listed, made.listed)])
    family = "-".join([kind.name, *_words(own, config, made.reads & _OF_ASSISTANTS)])
    searched = "-".join(_words(own, config, made.reads & searching.READS)) if made.search else ""
    found = replace(
        made,
        label=label,
        family=label if made.shared is False else family,
        config=own,
        search_as=searched or None,
        varied=frozenset(values),
    )
    return found, set()


def _need_something_to_search(made: Baseline, config: SweepConfig, search: bool, where: str) -> None:
    """UsageError where a search chooses settings of KD that the loss does not have."""
    if config.kd.standardise and (search or made.search) and _TEMPERATURE in searching.searched_keys(config):
        raise UsageError(
            f"{where}: a search for kd.temperature beside LS, which has a temperature of its own",
            expected="one of them",
            found="both",
            todo="leave LS or adaptive.temperatures out",
        )
    needed = SEARCHED - {_TEMPERATURE} if config.kd.standardise else SEARCHED
    if search and not made.reads >= needed:
        raise UsageError(
            f"{where}: {SEARCH} searches the learning rate of KD, and its kd.temperature and kd.alpha",
            expected="a baseline on KD, which has both of them",
            found=f"one that has {' and '.join(sorted(made.reads & SEARCHED)) or 'neither'}",
            todo=f"leave {SEARCH} out",
        )


def _with_chain(values: Mapping[str, Any], config: SweepConfig) -> dict[str, Any]:
    """A length says whether there is a chain; of length 0 there is none, as `noChain` says."""
    if _LENGTH not in values or _CHAIN in values:
        return dict(values)
    rest = {key: value for key, value in values.items() if key != _LENGTH}
    same = config.hpmkd.chain and config.hpmkd.chain_length == 0
    return rest | {_CHAIN: False} if values[_LENGTH] == 0 and not same else {**values, _CHAIN: True}


def _with_teachers(values: Mapping[str, Any], kind: Kind, config: SweepConfig) -> dict[str, Any]:
    """As many teachers as a baseline has anyway are no setting of its own."""
    usual = config.hpmkd.teachers is None and values.get(_TEACHERS) == kind.make(config).teachers
    return {key: value for key, value in values.items() if not usual or key != _TEACHERS}


def _words(
    own: SweepConfig, config: SweepConfig, keys: Collection[str], listed: Collection[str] = frozenset()
) -> list[str]:
    words = written(own, config, keys, listed)
    # `chain3` says that there is a chain.
    return [
        word for word in words if word != "chain" or not any(one.startswith("chain") and one != word for one in words)
    ]


def _unknown(kind: Kind, word: str, config: SweepConfig, where: str) -> UsageError:
    words = _vocabulary(kind, config)
    return UsageError(
        f"{where} has an unknown word {word!r}",
        expected=f"{kind.name} and any of {', '.join(words)}" if words else f"{kind.name} alone: it has no words",
        todo="correct the word (upper and lower case matter), or leave it out",
    )


def _vocabulary(kind: Kind, config: SweepConfig) -> list[str]:
    plain = kind.make(config)
    own = [SEARCH] if plain.reads >= SEARCHED and _SEARCH_KEY not in plain.reads else []
    return own + vocabulary(kind.readable(config, search=False), own_switches(config))


def _idle(kind: Kind, word: str, made: Baseline, *, config: SweepConfig, where: str) -> UsageError:
    words = vocabulary(made.reads, own_switches(config))
    searched = made.search and word[:1] in ("T", "a")
    why = "that comes from its search" if searched else "what it sets is switched off"
    why = "its settings are tuned" if made.tuned and not searched else why
    return UsageError(
        f"{where}: {word} changes nothing there",
        expected=f"{made.label} and any of {', '.join(words)}",
        found=f"{word}, although {why}",
        todo=f"leave it out, or switch that on{' (the search off: noAdaptive)' * (kind.name == 'HPM-KD' and searched)}",
    )
