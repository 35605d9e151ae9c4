"""What words of a baseline's name do to a config, and which words say how two configs differ."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from pydantic import ValidationError

from hpmkd.config.fields import Rejected
from hpmkd.config.sweep import SweepConfig
from hpmkd.config.wording import in_words
from hpmkd.config.words import KEYS, NUMBERS, PUT_BACK, SWITCHES, word_of
from hpmkd.errors import UsageError


def value_of(config: SweepConfig, key: str) -> Any:
    """The value of a config key such as `kd.temperature`."""
    section, _, name = key.partition(".")
    return getattr(getattr(config, section), name)


def with_values(config: SweepConfig, values: Mapping[str, Any], where: str) -> SweepConfig:
    """The config with some settings of methods replaced.

    Raises:
        UsageError: a value out of its range; `where` says whose.
    """
    sections: dict[str, dict[str, Any]] = {}
    for key, value in values.items():
        section, _, name = key.partition(".")
        sections.setdefault(section, {})[name] = value
    made = {}
    for section, changes in sections.items():
        before = getattr(config, section)
        try:
            made[section] = type(before).model_validate({**before.model_dump(), **changes})
        except ValidationError as error:
            first = error.errors()[0]
            key, fault = ".".join([section, *map(str, first["loc"])]), first.get("ctx", {}).get("error")
            found = repr(first["input"]) if first["loc"] else str(changes)
            raise UsageError(
                f"{where} sets `{key}` to a value that it cannot have",
                expected=in_words(first["msg"]),
                found=fault.found if isinstance(fault, Rejected) else found,
                todo=fault.todo if isinstance(fault, Rejected) else "correct the number",
            ) from error
    return config.model_copy(update=made)


def written(config: SweepConfig, base: SweepConfig, keys: Collection[str], listed: Collection[str]) -> list[str]:
    """The words of a canonical name: what a baseline sets otherwise than the config, in the order of the tables.

    Args:
        config: with the settings of the baseline.
        base: the sweep's own.
        keys: that the baseline depends on.
        listed: of them, those whose switches stand in the name wherever they are not the default, even where that is
            what the sweep's config says: file names of HPM-KD list every departure from the full method.
    """
    made = []
    for word, (key, value) in SWITCHES.items():
        if key in keys and value_of(config, key) == value:
            departs = word not in PUT_BACK if key in listed else value != value_of(base, key)
            made += [word] if departs else []
    numbers = [key for own in NUMBERS.values() for key in own if key in keys]
    for key in (*numbers, *sorted(set(keys) - KEYS)):
        if value_of(config, key) != value_of(base, key):
            made.append(str(word_of(key, value_of(config, key))))
    return made
