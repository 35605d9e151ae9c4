"""Runs a sweep: for the command line, a notebook or a script."""

from __future__ import annotations

import functools
import os
import shlex
import signal
from collections.abc import Mapping, Sequence
from typing import Any

from hpmkd.audit.findings import known_headers
from hpmkd.audit.sweep_dir import Saved
from hpmkd.cluster.stop_signals import StopSignals
from hpmkd.cluster.surroundings import need_temp, need_words
from hpmkd.config.arguments import contains_itself, flag_of, mapping_of, path_of
from hpmkd.config.from_python import flattened
from hpmkd.config.load import to_yaml
from hpmkd.config.request import Request
from hpmkd.config.sweep import SweepConfig
from hpmkd.config.user_cache import need_home
from hpmkd.data.cache import prepare
from hpmkd.data.source.listing import count
from hpmkd.errors import EXIT_OK
from hpmkd.log import console_lines, log, progress, show
from hpmkd.monitor.live import watching
from hpmkd.monitor.tracker import Tracker
from hpmkd.plan.catalog import baselines_of
from hpmkd.plan.job import Job
from hpmkd.store import inspection
from hpmkd.store.lock import locked
from hpmkd.store.output_dir import OutputDir
from hpmkd.sweep import benches
from hpmkd.sweep.dry_run import dry_run
from hpmkd.sweep.known_images import need_known
from hpmkd.sweep.preparation import (
    clean_up,
    known_data,
    need_images,
    need_surroundings,
    note_realised,
    plan_withdrawn,
    settle,
)
from hpmkd.sweep.resolution import resolve
from hpmkd.timings import Timings


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
    lets the running models save their newest epoch and returns 130; the same call continues, in a new process too.
    A handler added to the logger `hpmkd` gets every line that is printed.

    Args:
        mode: `quick`, `full`, another file of `tune_configs/`, or a path to a YAML file.
        output: the output folder; default `results/<mode>`, below the working folder.
        settings: config key -> value, such as `{"runs": 5, "fit.student_epochs": 30}` or `{"fit": {"lr": 1e-3}}`; as
            the flags of the command, on top of the mode.
        force: move models trained with other settings to `archive/` and train them again.
        fail_fast: stop at the first model that fails, instead of making the others and trying it again.
        quiet: print errors only.

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
        return _execute(request, owns_process)


def _execute(request: Request, owns_process: bool) -> int:
    need_home()
    need_temp()
    config, output = resolve(request)
    if request.print_config:
        print(to_yaml(config), end="")
        return EXIT_OK
    need_words()
    if request.dry_run:
        return dry_run(config, output, request.force)
    code = EXIT_OK
    with StopSignals(owns_process) as stop, locked(output):
        stop.exit_message = functools.partial(_exit_message, request.command, output)
        code = _sweep(request, config, output, stop)
    if stop.caught is None:
        return code
    log.warning(_exit_message(request.command, output, stop.caught))
    return 128 + stop.caught


def _exit_message(program: str, output: OutputDir, number: int) -> str:
    command = "run the same command to start again"
    if output.config_file.exists():
        command = f"continue with: {program} --restore {shlex.quote(str(output.root))}"
    return f"stopped by {signal.Signals(number).name}; {command}"


def _sweep(request: Request, config: SweepConfig, output: OutputDir, stop: StopSignals) -> int:
    timings = Timings()
    with plan_withdrawn(output):
        jobs, findings, missing = _prepare(request, config, output, timings)
    code, exit_message = EXIT_OK, ""
    if missing:
        code, exit_message = _train(
            request, output, findings=findings, stop=stop, timings=timings if config.record.profile else None
        )
    order, saved = [one.label for one in baselines_of(config)], Saved(output, config, tuple(jobs))
    if config.record.representations and stop.caught is None:
        from hpmkd.sweep.representing import represent_at_end

        represent_at_end(saved, known_headers(findings))
    _report(saved, findings, order=order, quiet=request.quiet)
    if config.record.profile and missing:
        progress.info(f"where the time went: {output.profile_file}, and a table in that page")
    if exit_message:
        log.error(exit_message)
    if code == EXIT_OK and stop.caught is None:
        stop.arm()  # Ray has set handlers of its own
        return benches.measure(config, output, jobs, findings, quiet=request.quiet)
    return code


def _prepare(
    request: Request, config: SweepConfig, output: OutputDir, timings: Timings
) -> tuple[Sequence[Job], dict[str, inspection.Finding], list[Job]]:
    """The plan, what its files are worth, and the jobs that are to be trained, whose images are then there."""
    with timings.part("plan"):
        clean_up(config, output)
    with timings.part("images"):  # a user's own are decoded here, if they never were
        specs = known_data(config, output)
    with timings.part("plan"):
        jobs, findings = settle(config, output, specs, request.force)
    missing = [job for job in jobs if job.key in findings and not findings[job.key].good]
    if missing:
        with timings.part("images"):
            need_surroundings(config)
            need_images(config, output, missing)
            need_known(config.data, missing)
            for spec in dict.fromkeys(job.data for job in missing):
                prepare(spec, config.data)
            note_realised(config, output, specs)
    return jobs, findings, missing


def _train(
    request: Request,
    output: OutputDir,
    findings: dict[str, inspection.Finding],
    stop: StopSignals,
    timings: Timings | None,
) -> tuple[int, str]:
    from hpmkd.audit.sweep_dir import open_sweep
    from hpmkd.store.profile_file import read_profile, write_profile
    from hpmkd.sweep.callbacks import Profiler, TrackerCallback
    from hpmkd.sweep.driver import train_missing
    from hpmkd.sweep.failures import exit_code

    missing = sum(not finding.good for finding in findings.values())
    progress.info(f"training {missing} of {count(len(findings), 'model')} in {output.root}")
    sweep = open_sweep(output.root)
    done = {key: header.train_time for key, header in known_headers(findings).items()}
    own_ray = not sweep.config.resources.address
    tracker = Tracker([sweep.by_key[key] for key in findings], done, own_ray=own_ray)
    profiler = Profiler(read_profile(output), timings) if timings is not None else None
    with watching(tracker, sweep.config.runs, plain=request.quiet or request.verbose) as refresh:
        failed = train_missing(
            sweep,
            findings,
            stop=stop,
            verbose=request.verbose,
            watch=TrackerCallback(tracker, refresh),
            profiler=profiler,
            fail_fast=request.fail_fast,
        )
    if profiler is not None:
        profiler.close()
        write_profile(profiler.profile, output)
    if failed and stop.caught is None:
        reasons = "".join(f"\n  {sweep.by_key[key].file_name}: {failure}" for key, failure in failed.items())
        many = count(len(failed), "model was", "models were")
        text = f"{many} not trained; the same command tries {'it' if len(failed) == 1 else 'them'} again{reasons}"
        return exit_code(failed.values()), text
    return EXIT_OK, ""


def _report(saved: Saved, findings: Mapping[str, inspection.Finding], *, order: list[str], quiet: bool) -> None:
    from hpmkd.audit import chance, chosen, results, terminal

    output = saved.output
    frame, measures = results.collect_saved(saved, known_headers(findings))
    results.write(frame, output, measures)
    if not quiet and not frame.empty:
        hidden = chosen.unchosen(frame, saved.config)
        shown, others = frame.drop(hidden), frame.loc[hidden]
        show([*terminal.tables(shown, order), *terminal.validation_tables(others, order)])
        for line in chosen.unchosen_text(others["baseline"]):
            progress.info(line)
        for line in chance.remarks(shown, {job.data.name: job.data.classes for job in saved.jobs}):
            log.warning(line)
        progress.info(f"one row per model: {output.root / 'results.csv'}")
        progress.info(f"a page with figures and statistics: hpmkd report {shlex.quote(str(output.root))}")
