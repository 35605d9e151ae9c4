"""Grids among the baselines of a sweep: those that differ by some settings alone, whoever wrote them down."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hpmkd.audit.places import students
from hpmkd.config.overrides import value_of
from hpmkd.config.sweep import SweepConfig
from hpmkd.config.words import read
from hpmkd.plan import catalog
from hpmkd.plan.baseline import Baseline
from hpmkd.plan.catalog import baselines_of

if TYPE_CHECKING:
    import pandas as pd

# What people call the settings that have a short name.
TITLES = {
    "kd.temperature": "T",
    "kd.alpha": "alpha",
    "hpmkd.teachers": "M",
    "hpmkd.chain_length": "assistants",
    "takd.steps": "assistants",
    "fit.student_epochs": "epochs",
}
Values = tuple[Any, ...]


@dataclass(frozen=True)
class Grid:
    """Baselines with one name but for the words of some keys.

    Args:
        name: what is left of their names: `TraditionalKD`, `HPM-KD-noAdaptive`.
        keys: the config keys that differ, in the order in which the first baseline says them.
        cells: their values -> the baseline; None for a setting on which it does not depend.
        usual: the values that the config has for all baselines.
        varied: keys that a word in one of the names sets.
    """

    name: str
    keys: tuple[str, ...]
    cells: dict[Values, str]
    usual: Values
    varied: frozenset[str]

    def values(self, key: str) -> list[Any]:
        """Those of a key, numbers in their order, then words as they come."""
        found = dict.fromkeys(values[self.keys.index(key)] for values in self.cells)
        numbers = sorted(value for value in found if isinstance(value, int | float) and not isinstance(value, bool))
        return [*numbers, *(value for value in found if value not in numbers)]

    def text(self, label: str) -> str:
        """`T = 8, alpha = 0.5`."""
        values = next(values for values, one in self.cells.items() if one == label)
        return described(self.keys, values)


def described(keys: Iterable[str], values: Iterable[Any]) -> str:
    """`T = 8, alpha = 0.5`."""
    return ", ".join(f"{title(key)} = {shown(value)}" for key, value in zip(keys, values, strict=True))


def title(key: str) -> str:
    """What people call a config key."""
    return TITLES.get(key, key)


def shown(value: Any) -> str:
    """A setting's value for people."""
    if value is None:
        return "-"
    return f"{value:g}" if isinstance(value, int | float) and not isinstance(value, bool) else str(value)


def places(frame: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """The planned students with an accuracy in each place (data set, condition, pair of networks), with its name."""
    known = students(frame)
    for place, part in known[known["accuracy_pct"].notna()].groupby("place", sort=False):
        yield str(place), part


def grids_of(config: SweepConfig | None, keys: Collection[str]) -> list[Grid]:
    """The grids over some of these keys, of two baselines or more; a folder without a config has none: what its names
    leave out is not known.

    Args:
        config: the sweep's.
        keys: config keys. Baselines that differ by another word, too, are in grids of their own.
    """
    if config is None:
        return []
    groups: dict[str, list[Baseline]] = {}
    for baseline in baselines_of(config):
        groups.setdefault(name_without(baseline, keys), []).append(baseline)
    made = [_grid(config, name, group, keys) for name, group in groups.items() if len(group) > 1]
    return [grid for grid in made if grid.keys]


def name_without(baseline: Baseline, keys: Collection[str]) -> str:
    """The name of a baseline without the words of some keys."""
    root = root_of(baseline.label)
    kept = []
    for word in baseline.label.removeprefix(root).split("-")[1:]:
        setting = read(word, baseline.reads | baseline.listed)
        kept += [] if setting is not None and setting[0] in keys else [word]
    return "-".join([root, *kept])


def root_of(label: str) -> str:
    """A baseline's name without any words."""
    # The names of users' methods have no dash.
    return catalog.root_of(label, catalog.BASELINES) or label.partition("-")[0]


def _grid(config: SweepConfig, name: str, group: list[Baseline], keys: Collection[str]) -> Grid:
    settings = {one.label: one.settings for one in group}
    read_by = [key for key in keys if any(key in own for own in settings.values())]
    differing = tuple(key for key in read_by if len(_distinct(settings, key)) > 1)
    cells: dict[Values, str] = {}
    for label, own in settings.items():
        cells.setdefault(tuple(own.get(key) for key in differing), label)
    usual = tuple(_usual(config, key, group) for key in differing)
    varied = frozenset().union(*(one.varied for one in group))
    return Grid(name, differing, cells, usual=usual, varied=varied)


def _usual(config: SweepConfig, key: str, group: Sequence[Baseline]) -> Any:
    """What the config says for all; where it leaves that to each baseline, what it is of one that says nothing."""
    value = value_of(config, key)
    silent = [one for one in group if value is None and one.config and value_of(one.config, key) is None]
    return silent[0].settings.get(key) if silent else value


def _distinct(settings: Mapping[str, Mapping[str, Any]], key: str) -> set[Any]:
    return {own[key] for own in settings.values() if key in own}
