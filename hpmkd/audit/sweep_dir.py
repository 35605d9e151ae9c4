"""Reads a sweep from its folder, without Ray, torch or the data: for driver, trials and commands that only read."""

from __future__ import annotations

import functools
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hpmkd.config.conditions import SUBSET, has_any
from hpmkd.config.extended import extended
from hpmkd.config.load import is_of_0_1, load, parse_config, read_config_file, validate
from hpmkd.config.own_method import OwnMethod, method_from_json
from hpmkd.config.paths import user_path
from hpmkd.config.programme import modes_in
from hpmkd.config.specs import DataSpec, spec_from_json
from hpmkd.config.sweep import DataConfig, SweepConfig
from hpmkd.config.yaml_text import read_yaml
from hpmkd.data.source.listing import count, named
from hpmkd.errors import ConfigMismatch, UsageError
from hpmkd.files import parse_json
from hpmkd.log import log
from hpmkd.plan.catalog import baselines_of
from hpmkd.plan.job import Job
from hpmkd.plan.own import Networks, networks_from_json
from hpmkd.plan.planner import expand
from hpmkd.plan.roles import OLD_ROLES
from hpmkd.store.inspection import Finding
from hpmkd.store.output_dir import OutputDir


@dataclass(frozen=True)
class Sweep:
    """Config, output and jobs (parents first). Read from the output folder alone, so it can be moved."""

    config: SweepConfig
    output: OutputDir
    jobs: tuple[Job, ...]

    @functools.cached_property
    def by_key(self) -> dict[str, Job]:
        """Jobs by their key."""
        return {job.key: job for job in self.jobs}


def open_sweep(root: Path) -> Sweep:
    """The sweep whose `sweep.yaml` and `datasets.json` lie in `root`, expanded once per content.

    Raises:
        FileNotFoundError: one of them is not there.
        UsageError: the config cannot be read by this version.
        ValueError, KeyError, TypeError, AttributeError: `datasets.json` is not what a sweep wrote.
    """
    output = OutputDir(root)
    try:
        text = read_yaml(output.config_file)
    except UnicodeDecodeError:
        read_config_file(output.config_file)  # says so
        raise
    noted = [file.read_text() if file.exists() else "[]" for file in (output.networks_file, output.methods_file)]
    return _open(str(root), text, output.datasets_file.read_text(), *noted)


@functools.lru_cache(maxsize=4)
def _open(root: str, config_text: str, datasets_text: str, networks_text: str, methods_text: str) -> Sweep:
    output = OutputDir(Path(root))
    where = str(output.config_file)
    model = extended(_methods(methods_text, output))
    config = validate(parse_config(config_text, where), where, text=config_text, model=model)
    specs = [spec_from_json(values) for values in parse_json(datasets_text)]
    _need_agreement(config.data, specs, output)
    networks = _networks(networks_text, output)
    return Sweep(config, output, expand(config, specs, baselines_of(config), networks))


def _networks(text: str, output: OutputDir) -> Networks:
    """What `networks.json` says, with the places of the sources' copies."""
    copies = output.networks.iterdir() if output.networks.is_dir() else ()
    return networks_from_json(parse_json(text), {path.stem: str(path) for path in copies})


def noted_networks(output: OutputDir) -> Networks:
    """What an earlier start has noted of networks from elsewhere; nothing where it cannot be read."""
    try:
        return _networks(output.networks_file.read_text(), output)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def _methods(text: str, output: OutputDir) -> list[OwnMethod]:
    """What `methods.json` says, with the places of the sources' copies."""
    entries = parse_json(text)
    copies = [str(output.method_source(str(one["source"]))) if one["files"] else None for one in entries]
    return [method_from_json(one, copy) for one, copy in zip(entries, copies, strict=True)]


def noted_methods(output: OutputDir) -> list[OwnMethod]:
    """What an earlier start has noted of methods that the user brings; nothing where it cannot be read."""
    try:
        return _methods(output.methods_file.read_text(), output)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return []


def _need_agreement(data: DataConfig, specs: Sequence[DataSpec], output: OutputDir) -> None:
    """What both files say must be the same; a wrong digit in one of them would be a plan that nobody has asked for."""
    for spec in specs:
        told: dict[str, object] = {"validation_fraction": spec.validation_fraction}
        if not has_any(spec.condition, SUBSET):
            told["train_images"] = spec.train_images
        if data.augment != "auto":
            told["augment"] = spec.augment
        for key, value in told.items():
            if getattr(data, key) != value:
                raise UsageError(
                    f"{output.config_file}: not what {output.datasets_file.name} was written with",
                    expected=f"data.{key}: {value}, as noted of {spec.label}",
                    found=f"data.{key}: {getattr(data, key)}",
                    todo="undo the change, where one of them was edited or damaged; or start the sweep again with its "
                    "settings: both are written anew",
                )


def is_older(output: OutputDir) -> bool:
    """Whether hpmkd 0.1 has made the output."""
    try:
        return output.config_file.is_file() and is_of_0_1(read_config_file(output.config_file))
    except UsageError:
        return False  # whoever needs the file says what is wrong with it


@functools.cache
def _notice_older(output: OutputDir) -> None:
    """Said once: `status --watch` opens the folder again and again."""
    log.warning(f"{output.root}: a sweep of hpmkd 0.1; the files in {output.models.name}/ are checked without its plan")


def files_of_0_1(output: OutputDir) -> list[Finding]:
    """Searches and logits caches under names that only hpmkd 0.1 gives them: no plan of this version has them."""
    names = tuple(f"{name}_" for name in OLD_ROLES)
    return [Finding(path.name, "stale") for path in output.model_files() if path.name.startswith(names)]


def refuse_older(output: OutputDir) -> None:
    """ConfigMismatch where hpmkd 0.1 has made the output: the files of its searches have other names."""
    if is_older(output):
        raise ConfigMismatch(
            f"{output.root}: made by hpmkd 0.1, which this version cannot continue",
            expected="the output of a sweep of 0.2, or a new folder",
            found=f"{output.config_file.name} of 0.1 (its models can be read: hpmkd show, hpmkd.load_results)",
            todo="name another --output, or start it with --mode and --force: that moves what has changed to "
            f"{output.archive}, or go on with hpmkd 0.1",
        )


def _is_sweep(root: Path) -> bool:
    output = OutputDir(root)
    return output.config_file.is_file() or output.models.is_dir()


def sweeps_in(root: Path) -> list[Path]:
    """The sweeps of a folder that holds some and is none itself, such as `results/`: by name, those of a programme in
    its order and before any other."""
    folder = user_path(root, "DIR").absolute()
    try:
        if _is_sweep(folder):
            return []
        names = modes_in(folder)
        places = {name: place for place, name in enumerate(names)}
        found = (path for path in folder.iterdir() if _is_sweep(path))
        return sorted(found, key=lambda path: (places.get(path.name, len(names)), path.name))
    except OSError:
        return []


def no_sweep(root: Path) -> UsageError:
    """The error for a folder that is no sweep; it names those that lie in it."""
    output, inside = OutputDir(root), sweeps_in(root)
    found = "neither" if root.is_dir() else "a file" if os.path.lexists(root) else "no such folder"
    if inside:
        found += f", but {count(len(inside), 'sweep')} in it: {named(path.name for path in inside)}"
    return UsageError(
        f"{root}: no sweep here",
        expected=f"a folder with {output.config_file.name} or {output.models.name}/",
        found=found,
        todo=f"name one of them, such as {inside[0]}" if inside else "name the --output of a sweep",
    )


def need_sweep(root: Path) -> OutputDir:
    """The output folder `root`; UsageError where it is that of no sweep."""
    folder = user_path(root, "DIR").absolute()
    if not _is_sweep(folder):
        raise no_sweep(folder)
    return OutputDir(folder)


@dataclass(frozen=True)
class Saved:
    """An output folder. `config` is None where it holds no `sweep.yaml`, or one of hpmkd 0.1; then, and before the data
    were first looked at, there are no `jobs` (parents first)."""

    output: OutputDir
    config: SweepConfig | None
    jobs: tuple[Job, ...]


def open_saved(root: Path) -> Saved:
    """Reads the folder `root` of a sweep, or a folder that only has `models/`.

    Raises:
        UsageError: it is neither, or its config cannot be read by this version.
    """
    output = need_sweep(root)
    if not output.config_file.is_file():
        return Saved(output, None, ())
    if is_older(output):
        _notice_older(output)
        return Saved(output, None, ())
    try:
        sweep = open_sweep(output.root)
    except FileNotFoundError:
        return Saved(output, load(output.config_file, model=extended(noted_methods(output))), ())
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(
            f"{output.datasets_file}: cannot be read",
            expected="what a sweep wrote about its data sets",
            found=f"{type(error).__name__}: {error}",
            todo="start the sweep again: it rewrites the file",
        ) from error
    return Saved(output, sweep.config, sweep.jobs)
