"""The config of a sweep with the sections of users' methods."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import Any

from pydantic import create_model

from hpmkd.config.own_method import OwnMethod
from hpmkd.config.own_section import OwnSection, section_of
from hpmkd.config.sweep import SweepConfig
from hpmkd.config.words import own_word


def extended(methods: Iterable[OwnMethod]) -> type[SweepConfig]:
    """The same class for the same methods from the same places, so that two configs can be equal."""
    found = tuple(methods)
    return _extended(found, tuple(method.origin for method in found))


@functools.lru_cache(maxsize=16)
def _extended(methods: tuple[OwnMethod, ...], origins: tuple[str | None, ...]) -> type[SweepConfig]:
    """`origins`: methods are equal wherever their files lie now, but each must be imported from there."""
    if not methods:
        return SweepConfig
    sections: dict[str, Any] = {}
    for method in methods:
        section = section_of(method.settings)
        sections[method.section] = (section, section())
    made = create_model("SweepConfig", __base__=SweepConfig, **sections)
    made.own_methods = {method.name: method for method in methods}
    return made


def own_keys(config: SweepConfig, section: str) -> frozenset[str]:
    """The settings of a user's method that have a word: numbers, and switches."""
    values = getattr(config, section)
    kinds = {f"{section}.{name}": getattr(values, name) for name in type(values).model_fields}
    return frozenset(key for key, value in kinds.items() if isinstance(value, int | float) and own_word(key))


def own_switches(config: SweepConfig) -> frozenset[str]:
    """Of all users' methods those that are on or off."""
    sections = {name: value for name, value in config if isinstance(value, OwnSection)}
    return frozenset(
        f"{section}.{name}" for section, values in sections.items() for name, value in values if isinstance(value, bool)
    )
