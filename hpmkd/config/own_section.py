"""The settings of users' methods as sections of the config, made again from what was noted of them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import NoneType
from typing import Annotated, Any, Literal

from pydantic import Field, create_model

from hpmkd.config.fields import Section

# A JSON schema's limits -> pydantic's.
_LIMITS = {
    "minimum": "ge", "exclusiveMinimum": "gt", "maximum": "le", "exclusiveMaximum": "lt", "minLength": "min_length",
    "maxLength": "max_length", "minItems": "min_length", "maxItems": "max_length", "pattern": "pattern",
    "multipleOf": "multiple_of",
}  # fmt: skip
_PLAIN: dict[str, type] = {"number": float, "integer": int, "boolean": bool, "string": str, "null": NoneType}


class OwnSection(Section):
    """The settings of a user's method."""


class Unsupported(Exception):
    """A setting that is none of numbers, text, true or false, choices, or lists of them; or that has no default."""


def section_of(settings: str) -> type[OwnSection]:
    """A section of the config as the JSON schema of the user's own says.

    Raises:
        Unsupported: names the setting.
    """
    schema = json.loads(settings)
    fields: dict[str, Any] = {}
    for name, about in schema.get("properties", {}).items():
        if "default" not in about:
            raise Unsupported(f"{name}, which has no default")
        kind = _type(name, about)
        fields[name] = (kind, Field(about["default"], description=about.get("description", "a setting of the method")))
    return create_model(str(schema.get("title", "Settings")), __base__=OwnSection, **fields)


def _type(name: str, about: Mapping[str, Any]) -> Any:
    if "enum" in about or "const" in about:
        return Literal[tuple(about.get("enum", [about.get("const")]))]
    if "anyOf" in about:
        kinds = [_type(name, one) for one in about["anyOf"]]
        found = kinds[0]
        for one in kinds[1:]:
            found = found | one
        return found
    limits = {ours: about[theirs] for theirs, ours in _LIMITS.items() if theirs in about}
    if about.get("type") == "array" and "items" in about:
        return Annotated[list[_type(name, about["items"])], Field(**limits)]  # type: ignore[misc]
    if about.get("type") not in _PLAIN:
        raise Unsupported(f"{name}, which is of another kind")
    return Annotated[_PLAIN[about["type"]], Field(**limits)]
