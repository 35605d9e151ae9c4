"""The keys of the config: which there are, what each may hold, and what it is where nobody sets it."""

from __future__ import annotations

import copy
import functools
import types
from collections.abc import Iterator, Sequence
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from hpmkd.config.sweep import SweepConfig

# Keys and values of hpmkd 0.1 -> what they are called since 0.2.
RENAMED_KEYS = {"adaptive.keep": "adaptive.reduction_factor", "kd.table_gib": "kd.cache_gib"}
RENAMED_VALUES = {("kd.logits", "table"): "cached"}


def _section(field: FieldInfo) -> type[BaseModel] | None:
    kind = field.annotation
    return kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None


def leaves(model: type[BaseModel] = SweepConfig, prefix: str = "") -> Iterator[tuple[str, FieldInfo]]:
    """Every config key that holds a value, as `fit.lr`, with its field."""
    for name, field in model.model_fields.items():
        inner = _section(field)
        if inner is None:
            yield prefix + name, field
        else:
            yield from leaves(inner, f"{prefix}{name}.")


def default_of(key: str, model: type[SweepConfig] = SweepConfig) -> Any:
    """What a config key such as `teacher.arch` is where no file and no flag sets it."""
    value: Any = _defaults(model)
    for name in key.split("."):
        value = getattr(value, name)
    return copy.deepcopy(value)


@functools.cache
def _defaults(model: type[SweepConfig]) -> SweepConfig:
    """Made once: the command line asks for each of its keys."""
    return model(datasets=["Digits"], baselines=["Direct"])


def type_name(annotation: Any) -> str:
    """A short name of a type for help texts: `int`, `adam|sgd`, `list of int`."""
    origin = get_origin(annotation)
    if origin is Literal:
        return "|".join(str(value) for value in get_args(annotation))
    if origin in (Union, types.UnionType):
        return "|".join("null" if part is type(None) else type_name(part) for part in get_args(annotation))
    if origin is list:
        return f"list of {type_name(get_args(annotation)[0])}"
    if hasattr(annotation, "__metadata__"):
        return type_name(annotation.__origin__)
    return getattr(annotation, "__name__", str(annotation))


def known_keys(sections: Sequence[str], model: type[BaseModel] = SweepConfig) -> list[str]:
    """The keys of a section, or of one in a section; of the whole where there is none of that name."""
    for name in sections:
        field = model.model_fields.get(name)
        inner = _section(field) if field else None
        if inner is None:
            break
        model = inner
    return list(model.model_fields)
