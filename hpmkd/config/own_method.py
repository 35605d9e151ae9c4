"""Methods that users bring: what the plan and the config must know of each. Nothing is imported here.

A start of the sweep finds it out in a process of its own and notes it in the output, see `sweep/own_methods.py`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

METHODS = "hpmkd.methods"  # the group of entry points under which packages offer methods
SOURCE = "method.source"  # what stands for its source in a recipe


@dataclass(frozen=True)
class OwnMethod:
    """A method that a user brings.

    Args:
        name: of the baseline.
        place: where it comes from: `/path/to/file.py:Class`, `package.module:Class`.
        kind: what its loss stands on: `features` (KD, or the labels alone), `kd`, `logits` (a term of its own beside
            the labels, which LS may standardise), `plain` (whatever it makes of labels and logits).
        teachers: how many it learns from: `none`, `one`, `several`.
        needs: what it looks at beside logits, see `ModelOutput`.
        settings: the JSON schema of its section, as text.
        source: the hash of its source.
        files: that are imported from `origin`.
        origin: the folder where they lie now; None: it belongs to an installed package.
    """

    name: str
    place: str
    kind: Literal["features", "kd", "logits", "plain"]
    teachers: Literal["none", "one", "several"]
    needs: tuple[str, ...]
    settings: str
    source: str
    files: tuple[str, ...] = ()
    origin: str | None = field(default=None, compare=False)

    @property
    def section(self) -> str:
        """Of the config, with its settings."""
        return self.name.lower()

    def to_json(self) -> dict[str, Any]:
        """For `methods.json`."""
        told = {name: value for name, value in asdict(self).items() if name != "origin"}
        return {**told, "settings": json.loads(self.settings)}


def method_from_json(values: Mapping[str, Any], origin: str | None) -> OwnMethod:
    """The reverse of `OwnMethod.to_json`; KeyError, TypeError: it is not what a sweep wrote."""
    lists = {name: tuple(values[name]) for name in ("needs", "files")}
    settings = json.dumps(values["settings"], sort_keys=True)
    return OwnMethod(**{**values, **lists, "settings": settings, "origin": origin})
