"""The key `vary`: grids over settings of methods, checked where the user wrote them (`plan/grid.py` expands them)."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from hpmkd.config.fields import Rejected
from hpmkd.config.own_section import OwnSection
from hpmkd.config.words import KEYS, WORDLESS

BASELINES = "baselines"


def grids(value: Any, sections: Mapping[str, type[BaseModel]]) -> list[dict[str, Any]]:
    """The grids of `vary`: one alone is a list of one, and sections in sections become dotted keys.

    Args:
        value: as the user wrote it.
        sections: name -> class of each section of the config, which know what a value may be.

    Raises:
        ValueError: an unknown key, a bad value, no list of values, no baselines.
    """
    if value is None:
        return []
    groups = [value] if isinstance(value, Mapping) else value
    if not isinstance(groups, list) or not all(isinstance(group, Mapping) for group in groups):
        raise ValueError("a mapping of `baselines` and of config keys to lists of values, or a list of such mappings")
    return [_grid(_flat(group), sections) for group in groups]


def _flat(group: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in group.items():
        flat |= _flat(value, f"{prefix}{name}.") if isinstance(value, Mapping) else {f"{prefix}{name}": value}
    return flat


def _grid(group: dict[str, Any], sections: Mapping[str, type[BaseModel]]) -> dict[str, Any]:
    names = group.get(BASELINES)
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        raise ValueError("each grid names its baselines in a list, such as baselines: [TraditionalKD]")
    keys = [key for key in group if key != BASELINES]
    if not keys:
        raise ValueError(f"the grid of {', '.join(names)} varies nothing: add a key such as kd.temperature: [2, 4, 8]")
    for key in keys:
        _check(key, group[key], sections)
    return group


def _check(key: str, values: Any, sections: Mapping[str, type[BaseModel]]) -> None:
    if key in WORDLESS:
        raise ValueError(f"{key} cannot be varied: {WORDLESS[key]}")
    section, _, name = key.partition(".")
    own = section in sections and isinstance(sections[section], type) and issubclass(sections[section], OwnSection)
    if key not in KEYS and not (own and name in sections[section].model_fields):
        close = difflib.get_close_matches(key, KEYS, 1)
        raise Rejected(
            f"a setting of a method: {', '.join(sorted(KEYS))}",
            found=f"{key}, which cannot be varied",
            todo=f"did you mean {close[0]}?" if close else "leave it out: it is the same for all models of a sweep",
        )
    if not isinstance(values, list) or not values:
        raise ValueError(f"{key}: a list of values, such as [2, 4, 8], not {values!r}")
    for place, value in enumerate(values):
        if value in values[:place]:
            raise Rejected(f"{key}: each value once", found=f"{value!r} is given twice", todo="leave one of them out")
        try:
            sections[section].model_validate({name: value})
        except ValidationError as error:
            raise ValueError(f"{key}: {value!r}: {error.errors()[0]['msg']}") from error
