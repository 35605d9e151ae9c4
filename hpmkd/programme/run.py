"""Runs the sweeps of a programme one after another, and writes its index page."""

from __future__ import annotations

import functools
import shlex

from hpmkd.audit.timed_workers import need_workers
from hpmkd.cluster.stop_signals import StopSignals
from hpmkd.config.load import to_yaml
from hpmkd.config.mirror import above
from hpmkd.config.programme import FILE
from hpmkd.config.request import Request
from hpmkd.data.cache import prepare, realised
from hpmkd.data.source.listing import named
from hpmkd.errors import EXIT_ENVIRONMENT, EXIT_OK, HpmkdError
from hpmkd.files import commit_bytes
from hpmkd.log import log, progress
from hpmkd.programme.members import Member, Opened, in_mode
from hpmkd.programme.mirrored_plans import copy_list
from hpmkd.store.lock import locked
from hpmkd.store.output_dir import OutputDir
from hpmkd.sweep.execution import exit_message, train
from hpmkd.sweep.own_networks import known_networks
from hpmkd.sweep.preparation import known_data


def run_all(request: Request, opened: Opened, owns_process: bool = False) -> int:
    """Trains what is missing of each of its sweeps; returns the exit code.

    That of the first sweep which this machine keeps from going on (a full disk), after which no other is tried; else 1
    where models failed. Whatever was asked for is checked for all of them before the first one trains.
    """
    codes: dict[str, int] = {}
    with StopSignals(owns_process) as stop, locked(OutputDir(opened.root)):
        stop.exit_message = functools.partial(exit_message, request.command, opened.root, opened.root / FILE)
        _check(opened)
        _begin(opened, request.force)
        for number, member in enumerate(opened.members, start=1):
            progress.info(f"mode {member.name}, {number} of {len(opened.members)}")
            codes[member.name] = _train(member, stop)
            if stop.caught is not None or codes[member.name] == EXIT_ENVIRONMENT:
                break
            stop.arm()  # Ray has set handlers of its own
    if stop.caught is not None:
        log.warning(stop.exit_message(stop.caught))
        return 128 + stop.caught
    return _ended(request, opened, codes)


def _train(member: Member, stop: StopSignals) -> int:
    try:
        return train(member.request, member.config, member.output, stop)
    except HpmkdError as error:
        raise in_mode(member.name, error) from error


def _check(opened: Opened) -> None:
    """Images that are missing, conditions that they do not allow, and a speed-up that cannot be measured here are told
    now, not after the hours of other modes.

    Of a sweep that was started they were there, and what is finished needs none.
    """
    for member in opened.members:
        try:
            if member.config.bench.workers:
                need_workers(member.config)
            specs = known_data(member.config, member.output)
            known_networks(member.config, member.output, specs)
            if not member.output.models.is_dir():
                for spec in specs:
                    prepare(spec, member.config.data)
                    realised(spec, member.config.data)
        except HpmkdError as error:
            raise in_mode(member.name, error) from error


def _begin(opened: Opened, force: bool) -> None:
    """What `--restore` continues from, whichever mode it is in: the list, and each mode's settings as they are now."""
    commit_bytes(opened.root / FILE, opened.programme.yaml().encode())
    for member in opened.members:
        if not member.output.config_file.exists():
            commit_bytes(member.output.config_file, to_yaml(member.config).encode())
    mirrors = [member.config.record.mirror for member in opened.members]
    if mirrors[0]:
        copy_list(above(mirrors[0]), opened.root / FILE, force)


def _ended(request: Request, opened: Opened, codes: dict[str, int]) -> int:
    bad = [name for name, code in codes.items() if code]
    if codes and list(codes.values())[-1] == EXIT_ENVIRONMENT:
        left = [member.name for member in opened.members if member.name not in codes]
        log.error(
            f"mode {bad[-1]} cannot go on here"
            + (f", so {named(left)} {'was' if len(left) == 1 else 'were'} not tried" if left else "")
            + f"; continue with: {request.command} --restore {shlex.quote(str(opened.root))}"
        )
        return EXIT_ENVIRONMENT
    from hpmkd.programme.index import write_index  # matplotlib and scipy take a second

    progress.info(f"writing the reports of {len(opened.members)} modes, some seconds each, and a page on all of them")
    page = write_index(opened.root)
    progress.info(f"a page on all of them, with links to theirs: {page}")
    if bad:
        log.error(
            f"models of {named(bad)} were not trained; "
            f"the same command, or {request.command} --restore {shlex.quote(str(opened.root))}, tries them again"
        )
    return max((codes[name] for name in bad), default=EXIT_OK)
