"""The sweeps of a programme: which there are, and what each is asked for."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from hpmkd.config.from_python import flattened
from hpmkd.config.mirror import below, checked_uri
from hpmkd.config.modes import config_file
from hpmkd.config.paths import user_path
from hpmkd.config.programme import FILE, OF_ITS_MODES, Programme, is_programme, read_programme
from hpmkd.config.request import Request, newest_sweep
from hpmkd.config.sweep import SweepConfig
from hpmkd.data.source.listing import named
from hpmkd.errors import ConfigMismatch, HpmkdError, UsageError
from hpmkd.store.output_dir import OutputDir
from hpmkd.sweep.resolution import resolve


@dataclass(frozen=True)
class Member:
    """One of its sweeps, checked."""

    name: str
    request: Request
    config: SweepConfig
    output: OutputDir


@dataclass(frozen=True)
class Opened:
    """A programme that is started or continued, in the folder `root`."""

    programme: Programme
    root: Path
    members: tuple[Member, ...]


def opened(request: Request) -> Opened | None:
    """The programme that a request means; None where it means one sweep.

    Raises:
        UsageError, ConfigMismatch, EnvironmentProblem: as of `resolve`, for any of its modes; nothing was written.
    """
    if request.restore is not None:
        return _continued(request)
    source = config_file("quick" if request.mode is None else request.mode)
    if not is_programme(source):
        return None
    programme = read_programme(source)
    root = user_path(Path("results") / source.stem if request.output is None else request.output, "--output").absolute()
    _need_no_sweep(root)
    _need_same(programme, root, request)
    _need_common(request)
    settings = flattened(programme.settings)
    asked = replace(
        request,
        restore=None,
        overrides={**settings, **request.overrides},
        places={**{key: f"{source}, settings.{key}" for key in settings}, **request.places},
    )
    members = []
    for written, name in zip(programme.programme, programme.names, strict=True):
        entry = _beside(written, source)
        _need_single(entry, source)
        members.append(_member(name, replace(asked, mode=entry, output=str(root / name))))
    return Opened(programme, root, tuple(members))


def _continued(request: Request) -> Opened | None:
    """Each of its sweeps as it was left; the modes that it was started with are not asked again."""
    if request.restore or request.output:
        folder = request.restore or request.output
    elif request.mode is not None:
        folder = str(Path("results") / config_file(request.mode).stem)
    else:
        folder = str(newest_sweep())
    root = user_path(folder or "", "--restore").absolute()
    if not (root / FILE).is_file():
        return None
    programme = read_programme(root / FILE)
    if request.mode is not None:
        _need_same(read_programme(config_file(request.mode)), root, request)
    _need_common(request)
    given = replace(request, mode=None, output=None)
    members = [_member(name, replace(given, restore=str(root / name))) for name in programme.names]
    return Opened(programme, root, tuple(members))


def _member(name: str, request: Request) -> Member:
    mirror = request.overrides.get("record.mirror")
    if mirror:
        request = replace(request, overrides={**request.overrides, "record.mirror": below(checked_uri(mirror), name)})
    try:
        return Member(name, request, *resolve(request))
    except HpmkdError as error:
        raise in_mode(name, error) from error


def in_mode(name: str, error: HpmkdError) -> HpmkdError:
    """The error of one of its sweeps, with the mode's name in front."""
    where = f"mode {name}: {error.where}"
    return type(error)(where, expected=error.expected, found=error.found, todo=error.todo)


def _beside(entry: str, source: Path) -> str:
    """A relative path is meant from the programme's own file, where there is such a file; else as it is."""
    near = source.parent / entry
    return str(near) if near.is_file() else entry


def _need_single(entry: str, source: Path) -> None:
    if is_programme(config_file(entry, str(source))):
        raise UsageError(
            f"{source}: {entry} is a programme itself",
            expected="modes, each of which is one sweep",
            todo="list its modes instead",
        )


def _need_common(request: Request) -> None:
    own = [key for key in request.overrides if key in OF_ITS_MODES]
    if own:
        raise UsageError(
            f"{request.places.get(own[0], f'command line, --{own[0]}')}: not for a programme",
            expected="settings for all of its modes, such as --runs; each mode has its own " + ", ".join(OF_ITS_MODES),
            todo="start that mode alone (--mode NAME), or put a mode of your own into a programme of your own",
        )


def _need_no_sweep(root: Path) -> None:
    config = OutputDir(root).config_file
    if config.exists():
        raise UsageError(
            f"--output: {root} is the folder of one sweep",
            expected="a folder for several, each in a folder of its own below it",
            found=config.name,
            todo="name another one",
        )


def _need_same(programme: Programme, root: Path, request: Request) -> None:
    """The folder is new, or of this programme. `--force` may add modes and leave some out: their folders stay."""
    if request.force or not (root / FILE).is_file():
        return
    before = read_programme(root / FILE).names
    if before != programme.names:
        gone = [name for name in before if name not in programme.names]
        new = [name for name in programme.names if name not in before]
        found = [f"{word} {named(names)}" for word, names in (("without", gone), ("also", new)) if names]
        raise ConfigMismatch(
            f"{root}: started as another programme",
            expected=f"the modes {', '.join(before)}",
            found="; ".join(found) or "the same in another order",
            todo="name another --output, or add --force: what was trained stays",
        )
