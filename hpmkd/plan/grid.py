"""The grid of a sweep; and those of `vary`, where every combination of values is a baseline with words in its name."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from hpmkd.config.extended import own_switches
from hpmkd.config.overrides import value_of
from hpmkd.config.vary import BASELINES
from hpmkd.config.words import vocabulary, word_of
from hpmkd.errors import UsageError
from hpmkd.plan.baseline import Baseline
from hpmkd.plan.job import Job
from hpmkd.plan.naming import Kind, with_settings
from hpmkd.plan.roles import Role

if TYPE_CHECKING:
    from hpmkd.config.sweep import SweepConfig

# An entry such as `HPM-KD-noChain` -> what it stands for, the settings of its words, whether it has a search.
Parse = Callable[[str, str], tuple[Kind, dict[str, Any], bool]]


def varied(config: SweepConfig, parse: Parse) -> Iterator[Baseline]:
    """The baselines of all grids, in the order of the config; the last key of a grid changes fastest.

    Two cells may be one baseline (`noMultiTeacher` with one teacher and with four): it comes twice.

    Raises:
        UsageError: a key on which a baseline does not depend in any cell, that a word in its name sets, too, or a value
            that no word says.
    """
    for number, group in enumerate(config.vary, start=1):
        where = "vary" + f", grid {number}" * (len(config.vary) > 1)
        keys = {key: values for key, values in group.items() if key != BASELINES}
        for entry in group[BASELINES]:
            yield from _cells(config, entry, keys, parse=parse, where=f"{where}: {entry!r}")


def _cells(
    config: SweepConfig, entry: str, keys: Mapping[str, list[Any]], parse: Parse, where: str
) -> Iterator[Baseline]:
    kind, own, search = parse(entry, where)
    twice = sorted(own.keys() & keys.keys())
    if twice:
        raise UsageError(
            f"{where} sets `{twice[0]}` by a word in its name",
            expected="each setting in one place",
            found=f"{word_of(twice[0], own[twice[0]])} beside {twice[0]}: {keys[twice[0]]}",
            todo="leave one of them out",
        )
    _writable(config, keys, where)
    made, idle = [], set(keys)
    for values in itertools.product(*keys.values()):
        settings = {**own, **dict(zip(keys, values, strict=True))}
        baseline, lost = with_settings(kind, settings, config=config, search=search, where=where)
        made.append(baseline)
        idle &= lost
    if idle:
        reads = frozenset[str]().union(*(baseline.reads for baseline in made))
        words = vocabulary(reads, own_switches(config))
        raise UsageError(
            f"{where} does not depend on `{min(idle)}`",
            expected=f"any of {', '.join(sorted(reads))}" if words else "a baseline with settings: this one has none",
            found=f"{min(idle)}: {keys[min(idle)]}",
            todo="leave the key out of this grid, or the baseline",
        )
    yield from made


def _writable(config: SweepConfig, keys: Mapping[str, list[Any]], where: str) -> None:
    for key, values in keys.items():
        for value in values:
            if word_of(key, value) is None and value != value_of(config, key):
                raise UsageError(
                    f"{where}: {key}: {value!r} has no word that says so in a name",
                    expected=f"numbers; {value!r} where that is what the config says",
                    found=f"{key} is {value_of(config, key)!r} in the config",
                    todo=f"leave {value!r} out of the grid; a choice is one for a whole sweep: --{key} {value}",
                )


AXES = ("dataset", "condition", "pair", "baseline", "run")


def grid_of(jobs: Iterable[Job]) -> dict[str, list[Any]]:
    """Axis -> its values among the students of a plan, as they come; None where there is no condition, or one pair.

    Not every combination need be there: a condition may be that of one data set alone.
    """
    students = [{**job.axes, "baseline": job.baseline, "run": job.run} for job in jobs if job.role is Role.STUDENT]
    return {axis: list(dict.fromkeys(student[axis] for student in students)) for axis in AXES}
