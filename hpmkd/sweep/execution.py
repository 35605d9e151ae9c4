"""Runs one sweep, from its settings to its results."""

from __future__ import annotations

import functools
import shlex
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hpmkd.audit.findings import known_headers
from hpmkd.audit.sweep_dir import Saved
from hpmkd.cluster.stop_signals import StopSignals
from hpmkd.config.mirror import is_uri
from hpmkd.config.request import Request
from hpmkd.config.sweep import SweepConfig
from hpmkd.data.cache import prepare
from hpmkd.data.source.listing import count
from hpmkd.errors import EXIT_OK
from hpmkd.log import log, progress, show
from hpmkd.monitor.live import watching
from hpmkd.monitor.tracker import Tracker
from hpmkd.plan.catalog import baselines_of
from hpmkd.plan.job import Job
from hpmkd.store import inspection
from hpmkd.store.lock import locked
from hpmkd.store.output_dir import OutputDir
from hpmkd.store.progress_log import record_ends
from hpmkd.sweep import benches
from hpmkd.sweep.compiling import compile_kernels
from hpmkd.sweep.known_images import need_known
from hpmkd.sweep.measuring import measure_at_end
from hpmkd.sweep.mirroring import closed, fetched, mirrored
from hpmkd.sweep.preparation import (
    clean_up,
    known_data,
    need_images,
    need_surroundings,
    note_realised,
    plan_withdrawn,
    settle,
)
from hpmkd.timings import Timings

if TYPE_CHECKING:
    from hpmkd.mirror.session import Mirror


def execute(request: Request, config: SweepConfig, output: OutputDir, owns_process: bool = False) -> int:
    """Trains a sweep in this process, or continues it; returns the exit code.

    Args:
        request: what the user asked for.
        config, output: what it means, see `resolve`.
        owns_process: see `StopSignals`.
    """
    code = EXIT_OK
    with StopSignals(owns_process) as stop:
        stop.exit_message = functools.partial(
            exit_message, request.command, output.root, output.config_file, mirror=config.record.mirror
        )
        code = train(request, config, output, stop)
    if stop.caught is None:
        return code
    log.warning(stop.exit_message(stop.caught))
    return 128 + stop.caught


def train(request: Request, config: SweepConfig, output: OutputDir, stop: StopSignals) -> int:
    """The sweep itself, while its folder is locked; `stop` tells afterwards whether it was stopped."""
    benches.check(config)
    with locked(output), mirrored(config, output, request.force) as mirror:
        code = _sweep(request, config, output, stop=stop, mirror=mirror)
        return code if mirror is None else closed(mirror, output, stop, code)


def exit_message(program: str, root: Path, written: Path, number: int, mirror: str | None = None) -> str:
    """What is said of a signal, and how to go on: by `--restore` once the file `written` is there."""
    command = "run the same command to start again"
    if written.exists():
        command = f"continue with: {program} --restore {shlex.quote(str(root))}"
        if mirror:
            uri = mirror if is_uri(mirror) else Path(mirror).as_uri()
            command += f"; on another machine: {program} --restore {shlex.quote(uri)}"
    return f"stopped by {signal.Signals(number).name}; {command}"


def _sweep(request: Request, config: SweepConfig, output: OutputDir, stop: StopSignals, mirror: Mirror | None) -> int:
    timings = Timings()
    with plan_withdrawn(output):
        jobs, findings, missing = _prepare(request, config, output, timings=timings, mirror=mirror)
    if mirror is not None:
        mirror.start()
    code, exit_message = EXIT_OK, ""
    if missing:
        code, exit_message = _train(
            request, output, findings=findings, stop=stop, timings=timings if config.record.profile else None,
            mirror=mirror,
        )  # fmt: skip
    order, saved = [one.label for one in baselines_of(config)], Saved(output, config, tuple(jobs))
    if stop.caught is None:
        measure_at_end(saved, config, known_headers(findings))
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
    request: Request, config: SweepConfig, output: OutputDir, timings: Timings, mirror: Mirror | None
) -> tuple[Sequence[Job], dict[str, inspection.Finding], list[Job]]:
    """The plan, what its files are worth, and the jobs that are to be trained, whose images are then there."""
    with timings.part("plan"):
        clean_up(config, output)
        if mirror is not None:
            mirror.download.records()
    with timings.part("images"):  # a user's own are decoded here, if they never were
        specs = known_data(config, output)
    with timings.part("plan"):
        jobs, findings = settle(config, output, specs, request.force)
        if mirror is not None:
            findings = fetched(mirror, jobs, findings, output, force=request.force)
        record_ends(
            output, {job.key: job.fingerprint for job in jobs if job.key in findings and findings[job.key].good}
        )
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
    mirror: Mirror | None,
) -> tuple[int, str]:
    from hpmkd.audit.sweep_dir import open_sweep
    from hpmkd.store.profile_file import read_profile, write_profile
    from hpmkd.sweep.callbacks import Profiler, TrackerCallback
    from hpmkd.sweep.failures import exit_code
    from hpmkd.sweep.missing import train_missing

    missing = sum(not finding.good for finding in findings.values())
    progress.info(f"training {missing} of {count(len(findings), 'model')} in {output.root}")
    sweep = open_sweep(output.root)
    compile_kernels([sweep.by_key[key] for key, finding in findings.items() if not finding.good], output)
    done = {key: header.train_time for key, header in known_headers(findings).items()}
    own_ray = not sweep.config.resources.address
    tracker = Tracker([sweep.by_key[key] for key in findings], done, own_ray=own_ray)
    profiler = Profiler(read_profile(output), timings) if timings is not None else None
    with watching(tracker, sweep.config.runs, plain=request.quiet or request.verbose) as refresh:
        failed = train_missing(
            sweep, findings, stop=stop, verbose=request.verbose, watch=TrackerCallback(tracker, refresh),
            profiler=profiler, fail_fast=request.fail_fast, mirror=mirror,
        )  # fmt: skip
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
