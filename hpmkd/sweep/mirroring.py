"""A sweep and its mirror: what is fetched before it trains, and what is said at its end."""

from __future__ import annotations

import contextlib
import functools
import shlex
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hpmkd.audit.findings import archive, audit, mismatch
from hpmkd.cluster.stop_signals import StopSignals
from hpmkd.config.from_python import flattened
from hpmkd.config.mirror import below, checked_uri, is_uri, last_name
from hpmkd.config.modes import config_file
from hpmkd.config.paths import user_path
from hpmkd.config.programme import FILE as PROGRAMME
from hpmkd.config.programme import read_programme
from hpmkd.config.request import Request
from hpmkd.config.sweep import SweepConfig
from hpmkd.config.yaml_text import parse_yaml, read_yaml
from hpmkd.data.source.listing import count, named
from hpmkd.errors import ConfigMismatch, MirrorProblem, NotInMirror, NotMirrored, UsageError
from hpmkd.log import log, progress
from hpmkd.plan.job import Job
from hpmkd.store.inspection import Finding
from hpmkd.store.output_dir import OutputDir

if TYPE_CHECKING:
    from hpmkd.mirror.remote import Remote
    from hpmkd.mirror.session import Mirror

_OPEN_SECONDS, _CLOSE_SECONDS = 30.0, 120.0
_STOP_SECONDS = 12.0  # of the time that a stopped sweep has; see `StopSignals`


@contextlib.contextmanager
def mirrored(config: SweepConfig, output: OutputDir, force: bool) -> Iterator[Mirror | None]:
    """The mirror that the config names, see `closed`; None: it names none.

    Raises:
        MirrorProblem: it cannot be used. Locked: another sweep writes there.
    """
    if not config.record.mirror:
        yield None
        return
    from hpmkd.mirror.session import Mirror

    try:
        mirror = Mirror(output, config.record.mirror, force)
    except MirrorProblem as error:
        todo = f"{error.todo}; without --mirror (--record.mirror null) the sweep runs all the same"
        raise MirrorProblem(error.where, expected=error.expected, found=error.found, todo=todo) from error
    try:
        yield mirror
    except ConfigMismatch as error:
        mirror.close(0.0)
        todo = f"{error.todo}; or name another mirror, if {mirror.uri} is that of another sweep"
        raise ConfigMismatch(error.where, expected=error.expected, found=error.found, todo=todo) from error
    except BaseException:
        mirror.close(0.0)
        raise


def closed(mirror: Mirror, output: OutputDir, stop: StopSignals, code: int) -> int:
    """Has the rest copied; the exit code, in which a sweep that has failed or was stopped comes first."""
    try:
        left = mirror.close(_CLOSE_SECONDS if stop.caught is None else _STOP_SECONDS)
    except KeyboardInterrupt:
        log.error(f"error: {_incomplete(mirror, output, mirror.left())}")
        raise
    if not left:
        progress.info(f"everything is copied to {mirror.uri}")
        return code
    error = _incomplete(mirror, output, left)
    log.error(f"error: {error}")
    return code or (error.exit_code if stop.caught is None else code)


def _incomplete(mirror: Mirror, output: OutputDir, left: Sequence[str]) -> NotMirrored:
    return NotMirrored(
        f"{mirror.uri}: {count(len(left), 'file')} not copied there yet ({named(left, 3)})",
        expected=f"a copy of what {output.root} has",
        found=str(getattr(mirror.problem, "found", None) or mirror.problem or "no more time"),
        todo=f"hpmkd mirror {shlex.quote(str(output.root))} {shlex.quote(mirror.uri)}, or the same command again; "
        "nothing is lost here",
    )


def fetched(
    mirror: Mirror, jobs: Sequence[Job], findings: dict[str, Finding], output: OutputDir, *, force: bool
) -> dict[str, Finding]:
    """The findings after what is missing here has been fetched: results, and saved epochs of what has none.

    Args:
        mirror, output: of the sweep.
        jobs, findings: its plan, and what is here.
        force: models of other settings that are fetched go to `archive/`.

    Raises:
        ConfigMismatch: models there, or with what was fetched here, are of other settings or teachers, and no `force`.
    """
    mirror.need_its_models([job for job in jobs if job.key in findings and findings[job.key].good])
    whole = 0
    for rebuildable in (False, True):  # logits caches may be large, and with all students there nobody needs them
        wanted = [job for job in _lacking(jobs, findings) if job.role.is_rebuildable == rebuildable]
        found = mirror.download.results(wanted)
        if found:
            findings = audit(jobs, output)
            error = mismatch(findings, output)
            if error is not None and not force:
                raise error
            if error is not None:
                archive([one for one in findings.values() if one.state == "stale"], output)
                findings = audit(jobs, output)
            whole += sum(one.key in findings and findings[one.key].good for one in found)
    if whole:
        progress.info(f"fetched {count(whole, 'finished file')} from {mirror.uri}, not trained again")
    epochs = mirror.download.epochs(_lacking(jobs, findings))
    if epochs:
        progress.info(f"fetched {count(epochs, 'saved epoch')} from {mirror.uri}")
    return findings


def _lacking(jobs: Sequence[Job], findings: dict[str, Finding]) -> list[Job]:
    return [job for job in jobs if job.key in findings and not findings[job.key].good]


def from_mirror(request: Request) -> Request:
    """The request with what the mirror knows of its sweep: on an empty machine the plan is fetched first.

    `--restore URI` becomes `--restore DIR` with that mirror.

    Raises:
        UsageError: nothing is there to restore; a dry run of what is not here. MirrorProblem: it cannot be read.
    """
    uri = _named(request)
    if request.restore is None and uri:
        uri = checked_uri(uri)
        folder = Path(
            request.output or Path("results") / config_file("quick" if request.mode is None else request.mode).stem
        )
        if not request.dry_run and not request.print_config:
            _fetch(uri, OutputDir(user_path(folder, "--output").absolute()), request)
    elif request.restore and is_uri(request.restore):
        uri = checked_uri(request.restore, "--restore")
        folder = user_path(request.output or Path("results") / (last_name(uri) or "mirrored"), "--output").absolute()
        request = replace(request, restore=str(folder), output=None)
        request.overrides = {**request.overrides, "record.mirror": uri}
        request.places = {**request.places, "record.mirror": "command line, --restore"}
        if not _fetch(uri, OutputDir(folder), request) and not _is_here(folder):
            raise UsageError(
                f"--restore: no sweep in {uri}",
                expected=f"sweep.yaml there, or {PROGRAMME}",
                todo="name the mirror of a sweep that was started, or start one: --mirror URI",
            )
    return request


def copy_list(uri: str, file: Path, force: bool = False) -> None:
    """Copies the list of a programme's modes to the mirror that theirs lie in, and the plan of each.

    Raises:
        MirrorProblem: it cannot be used. ConfigMismatch: it is that of another programme, and no `force`.
    """
    from hpmkd.mirror.remote import Remote
    from hpmkd.mirror.retries import patiently

    remote = patiently(lambda: Remote(uri), _OPEN_SECONDS)
    before, names = _list_in(remote), read_programme(file).names
    if before is not None and not set(before) <= set(names) and not force:
        raise ConfigMismatch(
            f"{uri}: it is the mirror of another programme",
            expected="one that is empty, or of this programme",
            found=f"the modes {', '.join(before)}; here they are {', '.join(names)}",
            todo="name another mirror, or add --force: what was trained stays",
        )
    patiently(lambda: remote.put(file, file.name), _OPEN_SECONDS)
    for name in names:
        plan, there = OutputDir(file.parent / name).config_file, Remote(below(uri, name))
        if plan.is_file() and plan.name not in patiently(there.names, _OPEN_SECONDS):
            patiently(functools.partial(there.put, plan, plan.name), _OPEN_SECONDS)


def _list_in(remote: Remote) -> list[str] | None:
    """The names of the modes of the programme that is mirrored there; None: of none."""
    from hpmkd.mirror.retries import patiently

    with tempfile.TemporaryDirectory(prefix="hpmkd-") as folder:
        copy = Path(folder, PROGRAMME)
        try:
            patiently(lambda: remote.get(PROGRAMME, copy), _OPEN_SECONDS)
        except NotInMirror:
            return None
        return read_programme(copy).names


def _named(request: Request) -> str | None:
    """The mirror of a command that starts a sweep, or a programme: a flag, or in the mode's file."""
    if "record.mirror" in request.overrides or request.restore is not None:
        return request.overrides.get("record.mirror")
    source = config_file("quick" if request.mode is None else request.mode)
    raw = parse_yaml(read_yaml(source), str(source))
    if not isinstance(raw, dict):
        return None
    common = raw.get("settings")  # of a programme
    written: dict[str, Any] = flattened({**(common if isinstance(common, dict) else {}), **raw})
    found = written.get("record.mirror")
    return found if isinstance(found, str) else None  # anything else is refused where the whole file is read


def _is_here(folder: Path) -> bool:
    return (folder / PROGRAMME).exists() or OutputDir(folder).config_file.exists()


def fetch_plans(uri: str, output: OutputDir) -> bool:
    """The plan of a sweep, or those of a programme, with its list at last; whether there was any.

    Raises:
        MirrorProblem: it cannot be read.
    """
    from hpmkd.mirror.download import PATIENCE_SECONDS, fetch_plan
    from hpmkd.mirror.remote import Remote
    from hpmkd.mirror.retries import patiently

    remote = patiently(lambda: Remote(uri), _OPEN_SECONDS)
    names = _list_in(remote)
    if names is None:
        return fetch_plan(remote, output)
    for name in names:
        fetch_plan(Remote(below(uri, name)), OutputDir(output.root / name))
    patiently(lambda: remote.get(PROGRAMME, output.root / PROGRAMME), PATIENCE_SECONDS)
    return True


def _fetch(uri: str, output: OutputDir, request: Request) -> bool:
    if _is_here(output.root):
        return True
    if request.dry_run or request.print_config:
        raise UsageError(
            f"{uri}: its sweep is not here yet, and a dry run fetches nothing",
            todo=f"hpmkd mirror {shlex.quote(uri)} {shlex.quote(str(output.root))}, then the dry run of that folder",
        )
    if not fetch_plans(uri, output):
        return False
    progress.info(f"fetched the plan of {uri} to {output.root}")
    return True
