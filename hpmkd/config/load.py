"""Makes a SweepConfig from a YAML file and command-line overrides; errors name file, key and what was expected."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError
from pydantic.fields import FieldInfo

from hpmkd.config.chosen_pairs import chosen_pairs
from hpmkd.config.keys import RENAMED_KEYS, leaves
from hpmkd.config.refusals import readable
from hpmkd.config.sweep import SweepConfig
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


def is_of_0_1(raw: Mapping[str, Any]) -> bool:
    """Whether hpmkd 0.1 has written this `sweep.yaml`: it wrote all keys, also those that have other names now."""
    sections = (key.split(".") for key in RENAMED_KEYS)
    return any(isinstance(raw.get(section), dict) and key in raw[section] for section, key in sections)


def with_overrides(
    raw: Mapping[str, Any], overrides: Mapping[str, Any], model: type[SweepConfig] = SweepConfig
) -> dict[str, Any]:
    """`raw` with dotted keys replaced; neither argument is changed."""
    result = {key: dict(value) if isinstance(value, dict) else value for key, value in raw.items()}
    values = dict(leaves(model))
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


def parse_value(text: str, field: FieldInfo, where: str) -> Any:
    """The value of a config key that was written on the command line: YAML, unless the key holds text. `null` is none
    for each key that may have none."""
    kind = str(field.annotation)
    if kind in ("str | None", "typing.Optional[str]"):
        return None if text == "null" else text
    return text if kind == "<class 'str'>" else parse_yaml(text, where)


def validate(
    raw: Mapping[str, Any],
    where: str,
    overrides: Mapping[str, Any] | None = None,
    places: Mapping[str, str] | None = None,
    text: str = "",
    *,
    model: type[SweepConfig] = SweepConfig,
) -> SweepConfig:
    """A SweepConfig from a raw mapping and overrides.

    Args:
        raw: of a file.
        where: the file.
        overrides: values by dotted keys.
        places: where the user wrote them, by key; default: as a flag of the same name.
        text: of the file, of which errors then name the line.
        model: of the config; with sections of users' methods another one, see `extended`.

    Raises:
        UsageError: names the file (or the flag), the key, what was expected, what was found, the known keys.
    """
    overrides = overrides or {}
    try:
        return model.model_validate(with_overrides(raw, overrides, model))
    except ValidationError as error:
        raise readable(error, where, written_places(where, overrides, places, text), model) from error


def load(
    path: Path,
    overrides: Mapping[str, Any] | None = None,
    places: Mapping[str, str] | None = None,
    model: type[SweepConfig] = SweepConfig,
) -> SweepConfig:
    """`validate` of a config file, with `overrides` on top. An error of the file names the line."""
    return validate(read_config_file(path), str(path), overrides, places, text=read_yaml(path), model=model)


def written_places(
    where: str, overrides: Mapping[str, Any], places: Mapping[str, str] | None, text: str
) -> dict[str, str]:
    """Key, or key and place in its list -> where the user wrote it: `command line, --fit.lr`, or `mine.yaml:3`."""
    lines = {key: f"{where}:{line}" for key, line in key_lines(text).items()} if text else {}
    below = tuple(f"{key}." for key in overrides)
    # What an override replaces does not count.
    kept = {key: place for key, place in lines.items() if not key.startswith(below)}
    return kept | {key: f"command line, --{key}" for key in overrides} | dict(places or {})


def to_yaml(config: SweepConfig) -> str:
    """The whole resolved config as YAML; `read_config_file` + `validate` give the same config back."""
    return yaml.safe_dump(config.model_dump(), sort_keys=False, default_flow_style=None, width=100)
