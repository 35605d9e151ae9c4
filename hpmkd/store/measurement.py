"""Files of measurements of time: JSON that is written after each part of one, and that the next start goes on from.

A digest covers all of it: nothing else could tell a wrong number, and to measure again takes long.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from hpmkd.errors import UsageError
from hpmkd.files import commit_json, digest_of, parse_json
from hpmkd.numeric import json_ready

FORMAT = 1
T = TypeVar("T")


def write(path: Path, values: Mapping[str, Any]) -> None:
    """Raises EnvironmentProblem where it cannot be written."""
    ready = parse_json(json.dumps(json_ready({"format": FORMAT, **values})))
    commit_json(path, {**ready, "digest": digest_of(ready)})


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
        if values.pop("digest", None) != digest_of(values):
            raise ValueError("damaged or changed by hand: its content does not give its digest")
        if (kind := values.pop("format")) != FORMAT:
            raise ValueError(f"format {kind}")
        return parsed(values)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(
            f"{path}: cannot be read",
            expected=f"what {command} writes",
            found=str(error) if type(error) is ValueError else f"{type(error).__name__}: {error}",
            todo="move it away and measure again",
        ) from error
