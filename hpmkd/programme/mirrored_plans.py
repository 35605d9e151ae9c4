"""A mirror before its sweep is here: the plan that lies there, or a programme's plans with their list."""

from __future__ import annotations

import functools
import shlex
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hpmkd.config.from_python import flattened
from hpmkd.config.mirror import below, checked_uri, is_uri, last_name
from hpmkd.config.modes import config_file
from hpmkd.config.paths import user_path
from hpmkd.config.programme import FILE as PROGRAMME
from hpmkd.config.programme import read_programme
from hpmkd.config.request import Request
from hpmkd.config.yaml_text import parse_yaml, read_yaml
from hpmkd.errors import ConfigMismatch, NotInMirror, UsageError
from hpmkd.log import progress
from hpmkd.store.output_dir import OutputDir

if TYPE_CHECKING:
    from hpmkd.mirror.remote import Remote

_OPEN_SECONDS = 30.0


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
