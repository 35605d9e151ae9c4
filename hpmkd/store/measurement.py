"""Files of measurements of time: JSON that is written after each part of one, and that the next start goes on from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from hpmkd.errors import UsageError
from hpmkd.files import commit_json, parse_json
from hpmkd.numeric import json_ready

FORMAT = 1
T = TypeVar("T")


def write(path: Path, values: Mapping[str, Any]) -> None:
    """Raises EnvironmentProblem where it cannot be written."""
    commit_json(path, json_ready({"format": FORMAT, **values}))


def read(path: Path, parsed: Callable[[dict[str, Any]], T], command: str) -> T | None:
    """What a file says; None where there is none.

    Args:
        path: the file.
        parsed: makes it of the file's values; ValueError, KeyError, TypeError or AttributeError where it cannot.
        command: what writes it.

    Raises:
        UsageError: it is not what this version writes. A measurement took long: it is not written over unasked.
    """
    try:
        values = dict(parse_json(path.read_bytes()))
        if (kind := values.pop("format")) != FORMAT:
            raise ValueError(f"format {kind}")
        return parsed(values)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(
            f"{path}: cannot be read",
            expected=f"what {command} writes",
            found=f"{type(error).__name__}: {error}",
            todo="move it away and measure again",
        ) from error
