"""What a request means: the config of the sweep, and its output folder."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hpmkd.audit.sweep_dir import refuse_older
from hpmkd.config.extended import extended
from hpmkd.config.from_python import flattened
from hpmkd.config.keys import leaves
from hpmkd.config.load import load, parse_value, read_config_file, with_overrides, written_places
from hpmkd.config.mirror import checked_uri, need_apart
from hpmkd.config.modes import config_file
from hpmkd.config.networks import absolute_pair, absolute_source
from hpmkd.config.paths import user_path
from hpmkd.config.programme import FILE as PROGRAMME
from hpmkd.config.programme import modes_in
from hpmkd.config.request import Request, absolute_folder, newest_sweep
from hpmkd.config.sweep import SweepConfig
from hpmkd.config.yaml_text import read_yaml
from hpmkd.data.conditions.entries import entries_of
from hpmkd.data.source.listing import shown
from hpmkd.errors import ConfigMismatch, EnvironmentProblem, UsageError
from hpmkd.files import in_the_way, is_utf8
from hpmkd.plan.catalog import baselines_of
from hpmkd.plan.job import differences
from hpmkd.plan.kernels import need_lenet5
from hpmkd.plan.pairs import need_distinct_pairs
from hpmkd.store.output_dir import OutputDir
from hpmkd.sweep.own_methods import absolute_entry, own_methods
from hpmkd.sweep.precision import settled, with_precision


def resolve(request: Request) -> tuple[SweepConfig, OutputDir]:
    """The config and the output folder that a request means.

    Raises:
        UsageError: an unknown mode, key or value; nothing to restore. ConfigMismatch: the output is of hpmkd 0.1, or
            `--restore` beside a mode whose settings are not those of the output. EnvironmentProblem: the output would
            lie in a working folder that Ray cannot name.
    """
    if request.restore is None:
        source = config_file("quick" if request.mode is None else request.mode)
        output = OutputDir(
            _absolute(Path("results") / source.stem if request.output is None else request.output, "--output")
        )
        if not request.force:
            refuse_older(output)
        _need_no_programme(output)
    else:
        output = OutputDir(_absolute(_to_restore(request), "--restore" if request.restore else "--output"))
        source = output.config_file
        if not source.is_file():
            raise UsageError(
                f"--restore: no sweep in {output.root}",
                expected=f"{source.name} there",
                found=_not_there(source),
                todo="name the folder of a sweep that was started, or leave --restore out to start one",
            )
        refuse_older(output)
    _need_utf8(output, request)
    _need_folders(output, request)
    config = _absolute_paths(_read(source, request, output))
    if config.record.mirror:
        need_apart(config.record.mirror, output.root)
    _check_plan(config, source, request)
    config = settled(config, output)
    if request.restore is not None and request.mode is not None:
        _refuse_other_settings(config, request, output)
    return config, output


def _need_no_programme(output: OutputDir) -> None:
    if modes_in(output.root):
        raise UsageError(
            f"--output: {output.root} is the folder of a programme of several sweeps",
            expected="a folder for one sweep",
            found=PROGRAMME,
            todo="name another one, or one of its modes' folders",
        )


def _need_utf8(output: OutputDir, request: Request) -> None:
    """The paths of images, a home or a temp folder may be any bytes; what Tune and Arrow write to may not."""
    if is_utf8(output.root):
        return
    given, found = request.restore or request.output or "", shown(str(output.root))
    first = next(part for part in [*reversed(output.root.parents), output.root] if not is_utf8(part))
    quoted = str(first).replace("\\", "\\\\").replace("'", "\\'")
    expected = "an output folder whose path is UTF-8, because Ray and Arrow write to no other"
    todo = f"rename it (mv $'{shown(quoted)}' NEW-NAME), or name another folder: --output DIR"
    if is_utf8(given):
        raise EnvironmentProblem(
            "the working folder's path is not UTF-8", expected=expected, found=f"output in {found}", todo=todo
        )
    flag = "--restore" if request.restore else "--output"
    raise UsageError(f"{flag}: the path is not UTF-8", expected=expected, found=found, todo=todo)


def _not_there(source: Path) -> str:
    blocking = in_the_way(source)
    if blocking is None:
        return "no such file"
    return f"a folder, {source.name}/" if blocking == source else f"{blocking} is a file"


def _need_folders(output: OutputDir, request: Request) -> None:
    """Before anything is read or trained: no file lies where the sweep keeps a folder, nor a folder in a file's place.

    Raises:
        UsageError: the output itself is a file, or lies below one. EnvironmentProblem: something in it.
    """
    blocking = in_the_way(output.root / "x")
    if blocking is not None:
        flag = "--restore" if request.restore else "--output"
        raise UsageError(
            f"{flag}: a folder is needed", expected="a folder, or a name that is free", found=f"{blocking} is a file",
            todo="name another one, or move that file away",
        )  # fmt: skip
    inside = [
        *(folder / "x" for folder in output.own_folders()),
        *(file for file in output.own_files() if file.is_dir()),
    ]
    for blocking in filter(None, map(in_the_way, inside)):
        kind, needed = ("a folder", "a file") if blocking.is_dir() else ("a file", "a folder")
        raise EnvironmentProblem(
            f"{blocking}: {kind} where the sweep keeps {needed}",
            expected=f"{needed}, or nothing",
            found=kind,
            todo="move or remove it, or choose another --output",
        )


def _check_plan(config: SweepConfig, source: Path, request: Request) -> None:
    """UsageError for names, grids and pairs that mean nothing; it begins with the place where the user wrote them."""
    try:
        baselines_of(config)
        entries_of(config)
        need_distinct_pairs(config)
        need_lenet5(config)
    except UsageError as error:
        key = re.split("[:,]", error.where, maxsplit=1)[0]
        written = written_places(str(source), request.overrides, request.places, read_yaml(source))
        place = written.get(key, str(source))
        # A flag, and a setting from Python, is called as the key: once is enough.
        told = error.where.removeprefix(f"{key}: ") if place.endswith(key) else error.where
        where = f"{place}: {told}"
        raise UsageError(where, expected=error.expected, found=error.found, todo=error.todo) from error


def _absolute(folder: str | os.PathLike[str], what: str) -> Path:
    return user_path(folder, what).absolute()


def _to_restore(request: Request) -> str | Path:
    """`--restore DIR`, else `--output`, else what `--mode` would start, else the newest."""
    if request.mode is not None and not (request.restore or request.output):
        return Path("results") / config_file(request.mode).stem
    return request.restore or request.output or newest_sweep()


def _read(source: Path, request: Request, output: OutputDir) -> SweepConfig:
    """With the sections of methods that the user brings; their flags are known only now."""
    raw = with_overrides(read_config_file(source), request.overrides)
    grids = raw["vary"] if isinstance(raw.get("vary"), list) else [raw.get("vary")]
    lists = [raw.get("baselines"), *(grid.get("baselines") for grid in grids if isinstance(grid, Mapping))]
    named = [one for entries in lists if isinstance(entries, list) for one in entries]
    model = extended(own_methods(named, output, _absolute))
    return load(source, {**request.overrides, **_own_flags(request, model)}, request.places, model)


def _own_flags(request: Request, model: type[SweepConfig]) -> dict[str, Any]:
    """The values of flags that only a user's method can have."""
    known = dict(leaves(model))
    for key, flag in request.own.items():
        if key not in known:
            close = difflib.get_close_matches(key, [one for one in known if one not in dict(leaves())], 1)
            if not close:
                raise flag.unknown
            raise UsageError(flag.unknown.where, todo=f"did you mean --{close[0]}?")
    return {key: parse_value(flag.text, known[key], flag.name) for key, flag in request.own.items()}


def _absolute_paths(config: SweepConfig) -> SweepConfig:
    """The sweep continues from wherever `--restore` is called."""
    absolute = config.data.model_copy(update={"dir": str(_absolute(config.data.dir, "data.dir"))})
    names = [absolute_folder(entry) for entry in config.datasets]
    mlflow = config.record.mlflow
    if mlflow and "://" not in mlflow:
        mlflow = str(_absolute(mlflow, "record.mlflow"))
    mirror = config.record.mirror
    record = config.record.model_copy(
        update={"mlflow": mlflow, "mirror": None if mirror is None else checked_uri(mirror)}
    )
    networks: dict[str, Any] = {
        "teacher": absolute_source(config.teacher, _absolute),
        "student": absolute_source(config.student, _absolute),
        "pairs": {name: absolute_pair(pair, _absolute) for name, pair in config.pairs.items()},
    }
    baselines = {
        "baselines": [absolute_entry(one, _absolute) for one in config.baselines],
        "vary": [
            {**grid, "baselines": [absolute_entry(one, _absolute) for one in grid["baselines"]]} for grid in config.vary
        ],
    }
    return config.model_copy(update={"data": absolute, "datasets": names, "record": record, **networks, **baselines})


def _refuse_other_settings(saved: SweepConfig, request: Request, output: OutputDir) -> None:
    """ConfigMismatch where the command, without `--restore`, would ask for other models than the output has: its mode
    is then not the one that it was started with, or flags are missing."""
    asked = _absolute_paths(_read(config_file(request.mode or ""), request, output))
    asked = with_precision(asked, saved.fit.precision)
    then, now = (settings_of_models(config) for config in (saved, asked))
    found = differences(then, now)
    if found:
        raise ConfigMismatch(
            f"--mode {request.mode} --restore: {output.root} was started with other settings",
            expected="the mode and flags that it was started with",
            found="\n    " + "\n    ".join(found),
            todo="leave --mode out: --restore takes the settings from the output; or add the flags that differ",
        )


def settings_of_models(config: SweepConfig) -> dict[str, Any]:
    """The settings that decide which models there are, by their keys."""
    elsewhere = {"data.dir", "data.cache_dir", "data.download"}
    flat = flattened(config.model_dump(exclude={"resources", "record", "bench"}))
    return {key: value for key, value in flat.items() if key not in elsewhere}
