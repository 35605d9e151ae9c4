"""Runs a sweep, or a programme of several: for the command line, a notebook or a script."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from hpmkd.cluster.surroundings import need_temp, need_words
from hpmkd.config.arguments import contains_itself, flag_of, mapping_of, path_of
from hpmkd.config.from_python import flattened
from hpmkd.config.load import to_yaml
from hpmkd.config.request import Request
from hpmkd.config.user_cache import need_home
from hpmkd.errors import EXIT_OK
from hpmkd.log import console_lines
from hpmkd.programme import dry_run as several
from hpmkd.programme.members import Opened, opened
from hpmkd.programme.mirrored_plans import from_mirror
from hpmkd.programme.run import run_all
from hpmkd.sweep import execution
from hpmkd.sweep.dry_run import dry_run
from hpmkd.sweep.resolution import resolve


def run_sweep(
    mode: str | os.PathLike[str] = "quick",
    output: str | os.PathLike[str] | None = None,
    *,
    settings: Mapping[str, Any] | None = None,
    force: bool = False,
    fail_fast: bool = False,
    quiet: bool = False,
) -> int:
    """Trains a sweep in this process, or continues it: the same as `python run_sweep.py`, with a line per model.

    It works where an event loop runs, as in a notebook. An interrupt (KeyboardInterrupt, the notebook's stop button)
    lets the running models save what they have done and returns 130; the same call continues, in a new process too.
    A handler added to the logger `hpmkd` gets every line that is printed.

    Args:
        mode: `quick`, `full`, another file of `tune_configs/`, or a path to a YAML file.
        output: the output folder; default `results/<mode>`, below the working folder.
        settings: config key -> value, such as `{"runs": 5, "fit.student_epochs": 30}` or `{"fit": {"lr": 1e-3}}`; as
            the flags of the command, on top of the mode.
        force: move models trained with other settings to `archive/` and train them again.
        fail_fast: stop at the first model that fails, instead of making the others and trying it again.
        quiet: print errors and notices only.

    Returns:
        The exit code: 0 if every model is there, 1 if some failed, 3 if they failed because of the machine (a full
        disk), 130 after an interrupt.

    Raises:
        UsageError: an unknown mode, key or value, or an argument of another kind.
        EnvironmentProblem: a data set, a permission, a package is missing.
        ConfigMismatch: the output has models that were trained with other settings, and `force` is not set.
        Locked: another sweep is running in this output folder.
    """
    folder = None if output is None else str(path_of(output, "output"))
    request = Request(str(path_of(mode, "mode")), folder, overrides=_overrides({} if settings is None else settings))
    request.places = {key: f"settings, {key}" for key in request.overrides}
    request.force, request.quiet = flag_of(force, "force"), flag_of(quiet, "quiet")
    request.fail_fast = flag_of(fail_fast, "fail_fast")
    return execute(request)


def _overrides(settings: object) -> dict[str, Any]:
    try:
        return flattened(mapping_of(settings, "settings", '{"runs": 5}'))
    except RecursionError as error:
        raise contains_itself("settings") from error


def execute(request: Request, owns_process: bool = False) -> int:
    """Runs what is asked for; returns the exit code. `owns_process`: see `StopSignals`."""
    with console_lines(show_progress=not (request.quiet or request.dry_run)):
        need_home()
        need_temp()
        request = from_mirror(request)
        programme = opened(request)
        if programme is not None:
            return _several(request, programme, owns_process)
        config, output = resolve(request)
        if request.print_config:
            print(to_yaml(config), end="")
            return EXIT_OK
        need_words()
        if request.dry_run:
            return dry_run(config, output, request.force)
        return execution.execute(request, config, output, owns_process)


def _several(request: Request, programme: Opened, owns_process: bool) -> int:
    if request.print_config:
        print(programme.programme.yaml(), end="")
        return EXIT_OK
    need_words()
    if request.dry_run:
        return several.dry_run(programme)
    return run_all(request, programme, owns_process)
