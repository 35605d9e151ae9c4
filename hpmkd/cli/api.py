"""`run` for Python: a sweep inside a notebook or a script."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hpmkd.cli.run import execute
from hpmkd.config.request import Request


def run_sweep(
    mode: str | os.PathLike[str] = "quick",
    output: str | os.PathLike[str] | None = None,
    *,
    settings: Mapping[str, Any] | None = None,
    force: bool = False,
    quiet: bool = False,
) -> int:
    """Trains a sweep in this process, or continues it: the same as `python run_sweep.py`, with a line per model.

    It works where an event loop runs, as in a notebook. An interrupt (KeyboardInterrupt, the notebook's stop button)
    lets the running models save their newest epoch, and ends with 130; the same call goes on, in a new process too.

    Args:
        mode: `quick`, `full`, another file of `tune_configs/`, or a path to a YAML file.
        output: the output folder; default `results/<mode>`, below the working folder.
        settings: config key -> value, such as `{"runs": 5, "fit.student_epochs": 30}`; as the flags of the command.
        force: move finished models of other settings to `archive/` and train them again.
        quiet: say nothing but errors.

    Returns:
        The exit code: 0 where every model is there, 1 where some failed, 3 where the machine has failed them (a full
        disk), 130 after an interrupt.

    Raises:
        UsageError: an unknown mode, key or value.
        EnvironmentFault: a data set, a permission, a package is missing.
        ConfigMismatch: there are models of other settings in the output, and no `force`.
        Locked: another sweep works in this output.
    """
    folder = None if output is None else str(Path(output))
    return execute(Request(str(mode), folder, force=force, quiet=quiet, overrides=dict(settings or {})))
