"""The data sets of a sweep with their conditions: those that its entries name, and the grid of its config keys."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from hpmkd.config.conditions import CLEAN_TEACHER, CLEAN_VALIDATION, IMBALANCE, NOISE, has_any, parts_of
from hpmkd.config.request import split_condition
from hpmkd.config.sweep import DataConfig, SweepConfig
from hpmkd.data.conditions.catalog import canonical


def entries_of(config: SweepConfig) -> list[str]:
    """`datasets`, each with the values of `data.imbalance`, `data.label_noise`, `data.clean_validation` and
    `data.teacher_sees` of which it has no word itself, as words behind its `@`.

    What changes nothing is left out: no imbalance and no noise leave nothing that a teacher could be spared.

    Raises:
        UsageError: a word or number that is none.
    """
    _check_numbers(config.data)
    plain = _is_plain(config.data)
    found = [entry for one in config.datasets for entry in ([one] if plain else _grid(one, config.data))]
    return list(dict.fromkeys(found))


def _is_plain(data: DataConfig) -> bool:
    values = (data.imbalance, data.label_noise, data.clean_validation, data.teacher_sees)
    return values == ([None], [None], [False], ["same"])


def _check_numbers(data: DataConfig) -> None:
    for key, words in (("data.imbalance", data.imbalance), ("data.label_noise", data.label_noise)):
        for word in words:
            canonical(word or "", str(word), key)


def _grid(entry: str, data: DataConfig) -> Iterator[str]:
    images, own = split_condition(entry)
    axes: list[list[str | None]] = [
        [None] if has_any(own, IMBALANCE) else [*data.imbalance],
        [None] if has_any(own, NOISE) else [*data.label_noise],
        _switch(own, CLEAN_VALIDATION, data.clean_validation),
        _switch(own, CLEAN_TEACHER, [one == "clean" for one in data.teacher_sees]),
    ]
    for words in itertools.product(*axes):
        imbalance, noise, validation, teacher = words
        noisy = noise or has_any(own, NOISE)
        corrupt = noisy or imbalance or has_any(own, IMBALANCE)
        said = [*parts_of(own), imbalance, noise, validation if noisy else None, teacher if corrupt else None]
        text = "-".join(word for word in said if word)
        # As files have it, so that what comes twice is seen.
        condition = canonical(text, f"{images}@{text}")
        yield f"{images}@{condition}" if condition else entry


def _switch(own: str, word: str, values: list[bool]) -> list[str | None]:
    return [None] if has_any(own, (word,)) else [word if on else None for on in values]
