"""A programme: several modes after one another in one folder, such as the experiments of a whole paper."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import Field, ValidationError, field_validator

from hpmkd.config.fields import Rejected, Section, each_once
from hpmkd.config.from_python import flattened
from hpmkd.config.keys import leaves
from hpmkd.config.load import read_config_file
from hpmkd.config.wording import in_words
from hpmkd.errors import UsageError

KEY = "programme"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")
FILE = "programme.yaml"
# What makes a mode the experiment that it is.
OF_ITS_MODES = (
    "baselines", "vary", "pairs", "ratios", "data.imbalance", "data.label_noise", "data.teacher_sees",
    "data.clean_validation",
)  # fmt: skip


class Programme(Section):
    """Which modes, in which order, and what is said for all of them."""

    programme: Annotated[list[str], Field(min_length=1)] = Field(description="modes, or paths to their YAML files")
    title: str = Field("", description="heading of the index page")
    settings: dict[str, Any] = Field({}, description="config keys and values for all modes, such as {runs: 5}")

    @field_validator("programme")
    @classmethod
    def _names(cls, entries: list[str]) -> list[str]:
        names = [name_of(entry) for entry in entries]
        for place, name in enumerate(names):
            if not _NAME.fullmatch(name):
                raise Rejected(
                    "names of modes, or paths to YAML files whose names are letters, digits, dots, dashes, underscores",
                    found=repr(entries[place]),
                    todo="rename it",
                    entry=place,
                )
        each_once(names)
        return entries

    @field_validator("settings", mode="before")
    @classmethod
    def _flat(cls, value: Any) -> dict[str, Any]:
        return checked(flattened(value)) if isinstance(value, dict) else value

    @property
    def names(self) -> list[str]:
        """Of its modes, which are those of their folders, too."""
        return [name_of(entry) for entry in self.programme]

    def yaml(self) -> str:
        """As a file, from which `read_programme` makes the same again."""
        return yaml.safe_dump(self.model_dump(), sort_keys=False, default_flow_style=None, width=100)


def name_of(entry: str) -> str:
    """A mode's own name: of a file without folder and ending."""
    return Path(entry).stem if entry.endswith((".yaml", ".yml")) else entry


def checked(settings: dict[str, Any]) -> dict[str, Any]:
    """Settings by dotted keys; ValueError where one is unknown, or makes another experiment of each mode."""
    known = dict(leaves())
    for key in settings:
        if key in OF_ITS_MODES:
            raise ValueError(f"no {key}: each mode of a programme has its own")
        if key not in known:
            raise ValueError(f"config keys, such as runs or data.dir; there is no {key}")
    return settings


def is_programme(path: Path) -> bool:
    """Whether a YAML file is one, not the config of a sweep; UsageError where it cannot be read."""
    return KEY in read_config_file(path)


def read_programme(path: Path) -> Programme:
    """A programme from its file.

    Raises:
        UsageError: it cannot be read, or has another key or value than a programme has.
    """
    try:
        return Programme.model_validate(read_config_file(path))
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"])) or KEY
        cause = first.get("ctx", {}).get("error")
        told = cause if isinstance(cause, Rejected) else None
        todo = "correct it; a programme has a list `programme` of modes, and may have a `title` and `settings`"
        raise UsageError(
            f"{path}: `{key}`",
            expected=in_words(first["msg"]).removeprefix("Value error, "),
            found=told.found if told else repr(first["input"]),
            todo=told.todo if told else todo,
        ) from error


def modes_in(root: Path) -> list[str]:
    """The names of the modes of the programme whose output folder this is; none where it is no such folder."""
    path = root / FILE
    return read_programme(path).names if path.is_file() else []
