"""Makes a SweepConfig from a YAML file and command-line overrides; errors name file, key and what was expected."""

from __future__ import annotations

import difflib
import json
import types
from collections.abc import Container, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from hpmkd.config.chosen_pairs import chosen_pairs
from hpmkd.config.fields import Rejected
from hpmkd.config.sweep import SweepConfig
from hpmkd.config.wording import first_problem, in_words, inside_a_mapping
from hpmkd.config.yaml_text import key_lines, parse_yaml, read_yaml
from hpmkd.errors import UsageError


def read_config_file(path: Path) -> dict[str, Any]:
    """The raw mapping in a config file; UsageError where it can't be read or isn't a mapping."""
    try:
        text = read_yaml(path)
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"{path}: cannot be read", expected="a YAML file", found=str(error), todo="correct the path or the file"
        ) from error
    return parse_config(text, str(path))


def parse_config(text: str, where: str) -> dict[str, Any]:
    """The raw mapping in the text of a config file, which is called `where` in errors; UsageError where it is none."""
    raw = parse_yaml(text, where)
    if not isinstance(raw, dict):
        raise UsageError(
            f"{where}: not a config",
            expected="a mapping of keys to values",
            found="nothing" if raw is None else type(raw).__name__,
            todo="write it like the files in tune_configs/, or start from --print_config",
        )
    # Such keys hold parts that others refer to (`x-fit: &fit {...}`), as in other programs' YAML files.
    return {key: value for key, value in raw.items() if not str(key).startswith("x-")}


# Keys and values of hpmkd 0.1 -> what they are called since 0.2.
RENAMED_KEYS = {"adaptive.keep": "adaptive.reduction_factor", "kd.table_gib": "kd.cache_gib"}
_RENAMED_VALUES = {("kd.logits", "table"): "cached"}


def is_of_0_1(raw: Mapping[str, Any]) -> bool:
    """Whether hpmkd 0.1 has written this `sweep.yaml`: it wrote all keys, also those that have other names now."""
    sections = (key.split(".") for key in RENAMED_KEYS)
    return any(isinstance(raw.get(section), dict) and key in raw[section] for section, key in sections)


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


def default_of(key: str) -> Any:
    """What a config key such as `teacher.arch` is where no file and no flag sets it."""
    value: Any = SweepConfig(datasets=["Digits"], baselines=["Direct"])
    for name in key.split("."):
        value = getattr(value, name)
    return value


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


def with_overrides(raw: Mapping[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    """`raw` with dotted keys replaced; neither argument is changed."""
    result = {key: dict(value) if isinstance(value, dict) else value for key, value in raw.items()}
    values = dict(leaves())
    for dotted, value in overrides.items():
        *sections, key = dotted.split(".")
        target = result
        for depth, section in enumerate(sections, 1):
            # A mapping for a key that holds a value stands in its place: that is said when the whole is validated.
            if target.get(section) is None or ".".join(sections[:depth]) in values:
                target[section] = {}
            target = target[section]
            if not isinstance(target, dict):
                break  # the file has no section there: that is said likewise
        else:
            target[key] = chosen_pairs(target.get(key), value) if dotted == "pairs" else value
    return result


def validate(
    raw: Mapping[str, Any],
    where: str,
    overrides: Mapping[str, Any] | None = None,
    places: Mapping[str, str] | None = None,
    text: str = "",
) -> SweepConfig:
    """A SweepConfig from a raw mapping and overrides.

    Args:
        raw: of a file.
        where: the file.
        overrides: values by dotted keys.
        places: where the user wrote them, by key; default: as a flag of the same name.
        text: of the file, of which errors then name the line.

    Raises:
        UsageError: names the file (or the flag), the key, what was expected, what was found, the known keys.
    """
    overrides = overrides or {}
    try:
        return SweepConfig.model_validate(with_overrides(raw, overrides))
    except ValidationError as error:
        raise _readable(error, where, written_places(where, overrides, places, text)) from error


def load(
    path: Path, overrides: Mapping[str, Any] | None = None, places: Mapping[str, str] | None = None
) -> SweepConfig:
    """`validate` of a config file, with `overrides` on top. An error of the file names the line."""
    return validate(read_config_file(path), str(path), overrides, places, text=read_yaml(path))


def written_places(
    where: str, overrides: Mapping[str, Any], places: Mapping[str, str] | None, text: str
) -> dict[str, str]:
    """Key, or key and place in its list -> where the user wrote it: `command line, --fit.lr`, or `mine.yaml:3`."""
    lines = {key: f"{where}:{line}" for key, line in key_lines(text).items()} if text else {}
    below = tuple(f"{key}." for key in overrides)
    # What an override replaces does not count.
    kept = {key: place for key, place in lines.items() if not key.startswith(below)}
    return kept | {key: f"command line, --{key}" for key in overrides} | dict(places or {})


def _readable(error: ValidationError, where: str, written: Mapping[str, str]) -> UsageError:
    first, fields = first_problem(error), dict(leaves())
    keys = [_key_of(one["loc"], fields) for one in error.errors()]
    names, key = [str(part) for part in first["loc"]], _key_of(first["loc"], fields)
    rejected = first.get("ctx", {}).get("error")
    if isinstance(rejected, Rejected):
        return _rejected(rejected, rejected.key or key, where, written)
    below = [at for name, at in written.items() if key in fields and name.startswith(f"{key}.")]
    place = written.get(".".join(names)) or written.get(key) or next(iter(below), where)
    # A key that may hold one of several types has a message for each: one problem.
    problems = len(set(keys))
    rest = f" ({problems} problems, this is the first)" if problems > 1 else ""
    if first["type"] == "extra_forbidden" and key not in fields:
        if key in RENAMED_KEYS:
            return UsageError(
                f"{place}: unknown key `{key}`{rest}", todo=f"it is called `{RENAMED_KEYS[key]}` since 0.2"
            )
        known = _known_keys(names[:-1])
        close = difflib.get_close_matches(names[-1], known, 1)
        return UsageError(
            f"{place}: unknown key `{key}`{rest}",
            expected="one of the known keys: " + ", ".join(known),
            found=f"{key}: {first['input']!r}",
            todo=f"did you mean `{close[0]}`?" if close else "remove it or correct its name",
        )
    field = fields.get(key)
    renamed = _RENAMED_VALUES.get((key, str(first["input"])))
    messages = dict.fromkeys(in_words(one["msg"]) for one, own in zip(error.errors(), keys, strict=True) if own == key)
    expected, near = inside_a_mapping(field, first, messages)
    return UsageError(
        f"{place}: bad value for `{key}`{rest}" if key else f"{place}: {first['msg']}{rest}",
        expected=", or: ".join(expected) + (f" ({type_name(field.annotation)}: {field.description})" if field else ""),
        found="nothing" if first["type"] == "missing" else repr(first["input"]),
        todo=f"it is called `{renamed}` since 0.2"
        if renamed
        else f"did you mean `{near}`?"
        if near
        else _advice(key, field),
    )


def _rejected(fault: Rejected, key: str, where: str, written: Mapping[str, str]) -> UsageError:
    place = written.get(f"{key}.{fault.entry}") or written.get(key, where)
    return UsageError(f"{place}: bad value for `{key}`", expected=str(fault), found=fault.found, todo=fault.todo)


def _advice(key: str, field: FieldInfo | None) -> str:
    """What to do about a bad value: of a key that has a default, that is an example."""
    if field is None:
        return "known keys here: " + ", ".join(_known_keys(key.split(".")[:-1]))
    if field.examples:
        return f"correct it, for example {key}: {field.examples[0]}, or leave it out"
    default = default_of(key)
    if field.is_required() or default in (None, [], ""):
        return "correct it, or leave it out" if not field.is_required() else "correct it"
    return f"correct it, for example {key}: {json.dumps(default)}, or leave it out"


def _key_of(place: Sequence[str | int], known: Container[str]) -> str:
    """The config key that pydantic means: without places in lists, and without the types that a value may have."""
    names = [str(part) for part in place if not isinstance(part, int)]
    for count in range(1, len(names)):
        if ".".join(names[:count]) in known:
            return ".".join(names[:count])
    return ".".join(names)


def _known_keys(sections: list[str]) -> list[str]:
    model: type[BaseModel] = SweepConfig
    for name in sections:
        field = model.model_fields.get(name)
        inner = _section(field) if field else None
        if inner is None:
            break
        model = inner
    return list(model.model_fields)


def to_yaml(config: SweepConfig) -> str:
    """The whole resolved config as YAML; `read_config_file` + `validate` give the same config back."""
    return yaml.safe_dump(config.model_dump(), sort_keys=False, default_flow_style=None, width=100)
