"""What a user asks for: a mode, an output folder, settings."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hpmkd.config.paths import user_path
from hpmkd.errors import UsageError
from hpmkd.log import log


@dataclass(frozen=True)
class OwnFlag:
    """A flag that may be that of a user's method: its name, the text behind it, and the error if it is not."""

    name: str
    text: str
    unknown: UsageError


@dataclass
class Request:
    """What the user asked for. `overrides` maps config keys such as `fit.lr` to parsed values, `places` to where the
    user wrote them (`command line, --teacher-epochs`); `own` has the keys that no section of this package has;
    `command` is how the sweep is started again from a shell."""

    mode: str | None = None
    output: str | None = None
    restore: str | None = None
    dry_run: bool = False
    force: bool = False
    fail_fast: bool = False
    verbose: bool = False
    quiet: bool = False
    print_config: bool = False
    overrides: dict[str, Any] = field(default_factory=dict)
    places: dict[str, str] = field(default_factory=dict)
    own: dict[str, OwnFlag] = field(default_factory=dict)
    command: str = "hpmkd run"


def absolute_folder(entry: str) -> str:
    """A folder or archive with its whole path, so that the sweep continues from wherever --restore is called."""
    images, condition = split_condition(entry)
    name, equals, folder = images.rpartition("=")
    path = user_path(folder, f"datasets: {entry[:60]!r}")
    is_folder = path.exists() and ("/" in folder or os.sep in folder or equals or folder in (".", ".."))
    return f"{name}{equals}{path.resolve()}{f'@{condition}' * bool(condition)}" if is_folder else entry


def split_condition(entry: str) -> tuple[str, str]:
    """An entry of `datasets` without its condition, and the condition: `CIFAR10@n2500` is `CIFAR10` and `n2500`.

    Names of data sets have no `@`. Paths may: what stands behind it in a path that is there is no condition.
    """
    images, mark, condition = entry.rpartition("@")
    if (
        not mark
        or "/" in condition
        or os.sep in condition
        or os.path.exists(os.path.expanduser(entry.partition("=")[2] or entry))
    ):
        return entry, ""
    return images, condition


def newest_sweep() -> Path:
    """The sweep, or the programme of several, below `results/` that was started last; UsageError: there is none."""
    started = {
        path.parent: path for name in ("sweep.yaml", "programme.yaml") for path in Path("results").glob(f"*/{name}")
    }
    sweeps = list(started)
    if not sweeps:
        raise UsageError("--restore: no sweep under results/", todo="name its folder: --restore DIR")
    newest = max(sweeps, key=lambda path: started[path].stat().st_mtime)
    if len(sweeps) > 1:
        # The only place where a clock decides anything; a wrong one must be seen.
        log.warning(f"--restore: continuing {newest}, the most recently started of {len(sweeps)} sweeps under results/")
    return newest
